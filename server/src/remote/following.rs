//! Follows a task to its end, and shows it.

use std::io::Stdout;
use std::pin::{Pin, pin};
use std::time::Duration;

use anyhow::Context;
use client::{Client, ClientError, Followed, Follower, Form, Interrupted, Printer};
use domain::TaskId;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::leaving::{Signals, Why};
use super::{complain, written};

const TICK: Duration = Duration::from_secs(1);
/// How long an interrupted task may take to end. A server that is there needs seconds.
const END_WITHIN: Duration = Duration::from_secs(30);
/// The code of a task that was interrupted.
const INTERRUPTED: u8 = 130;

/// An interrupt on its way.
type Interrupting<'a> = Pin<Box<dyn Future<Output = Result<Interrupted, ClientError>> + 'a>>;

/// Shows a task's events after a cursor; gives its exit code. A signal leaves, and so does an output that nobody reads.
pub(super) async fn watch(client: &Client, task: &TaskId, after: u64, form: Form) -> anyhow::Result<u8> {
    let mut signals = Signals::listen()?;
    let mut printer = Printer::stdout(form);
    let following = Following { client, task, stops: false, interrupting: None, leaving: None };
    let ended = following.shown(after, &mut signals, &mut printer).await;
    printer.finish();
    let code = ended?;
    written(&mut printer)?;
    Ok(code)
}

/// Shows a task's events; gives its exit code. A signal interrupts the task, and leaves when one comes again; an output that
/// nobody reads interrupts it, too. With `unwanted` it begins with that.
pub(super) async fn attend(
    client: &Client,
    task: &TaskId,
    signals: &mut Signals,
    unwanted: Option<Why>,
    printer: &mut Printer<Stdout>,
) -> anyhow::Result<u8> {
    let mut following = Following { client, task, stops: true, interrupting: None, leaving: None };
    if let Some(why) = unwanted {
        following.interrupt(why);
    }
    let ended = following.shown(0, signals, printer).await;
    printer.finish();
    // The task is more than what is shown of it.
    if let Err(error) = written(printer) {
        complain(&format!("{error:#}"));
    }
    ended
}

/// What came next.
enum Step {
    Followed(Option<Followed>),
    /// There is a reason to leave, and nothing to be stopped by it any more.
    Left(Why),
}

struct Following<'a> {
    client: &'a Client,
    task: &'a TaskId,
    /// Whether the first reason to leave stops the task.
    stops: bool,
    interrupting: Option<Interrupting<'a>>,
    /// Why it was interrupted, and until when it has to have ended.
    leaving: Option<(Why, Instant)>,
}

impl Following<'_> {
    fn interrupt(&mut self, why: Why) {
        let (client, task) = (self.client, self.task);
        self.leaving = Some((why, Instant::now() + END_WITHIN));
        self.interrupting = Some(Box::pin(client.interrupt(task)));
    }

    async fn shown(
        mut self,
        after: u64,
        signals: &mut Signals,
        printer: &mut Printer<Stdout>,
    ) -> anyhow::Result<u8> {
        let mut follower = self.client.follow(self.task, after);
        let code = loop {
            match self.next(&mut follower, signals, printer).await? {
                Step::Followed(Some(Followed::Event(event))) => {
                    printer.event(&event);
                    if let Some(code) = event.exit_code() {
                        break code;
                    }
                }
                Step::Followed(Some(Followed::Lost(why))) => {
                    printer.note(&format!("connecting again: {why}"))
                }
                // It had ended before the cursor.
                Step::Followed(None) => break exit_code(self.client, self.task).await?,
                Step::Left(why) => return Ok(why.exit_code()),
            }
        };
        Ok(match self.leaving {
            Some((why, _)) if code == INTERRUPTED => why.exit_code(),
            _ => code,
        })
    }

    async fn next(
        &mut self,
        follower: &mut Follower<'_>,
        signals: &mut Signals,
        printer: &mut Printer<Stdout>,
    ) -> Result<Step, ClientError> {
        let mut next = pin!(follower.next());
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let deadline = self.leaving.map(|(_, deadline)| deadline);
            let why = tokio::select! {
                // However many events come: a reason to leave goes before them.
                biased;
                why = signals.next() => why,
                _ = tick.tick() => {
                    printer.tick();
                    if !printer.is_unread() || self.leaving.is_some() {
                        continue;
                    }
                    Why::Unread
                }
                followed = &mut next => return followed.map(Step::Followed),
                answer = answered(&mut self.interrupting) => {
                    if let Err(error) = answer {
                        tell(printer, &format!("it cannot be interrupted: {error}"));
                    }
                    continue;
                }
                () = passed(deadline) => return Ok(self.abandoned()),
            };
            if !self.stops {
                return Ok(Step::Left(why));
            }
            if self.leaving.is_some() {
                return Ok(self.abandoned());
            }
            tell(printer, &format!("{}interrupting; Ctrl-C again leaves at once", why.reason()));
            self.interrupt(why);
        }
    }

    /// Leaves a task of which it is not known whether it ends.
    fn abandoned(&self) -> Step {
        let why = self.leaving.map_or(Why::CtrlC, |(why, _)| why);
        let task = self.task;
        complain(&format!(
            "left before the task {task} had ended: `claude-code-server task {task}` tells what became of it"
        ));
        Step::Left(why)
    }
}

/// Says something where people see it: beside the events, unless these are for a program or nobody reads them.
fn tell(printer: &mut Printer<Stdout>, text: &str) {
    if printer.is_for_people() && !printer.is_unread() {
        printer.note(text);
    } else {
        complain(text);
    }
}

/// Waits for an interrupt's answer; for ever without one.
async fn answered(interrupting: &mut Option<Interrupting<'_>>) -> Result<Interrupted, ClientError> {
    let Some(answer) = interrupting else { return std::future::pending().await };
    let answer = answer.await;
    *interrupting = None;
    answer
}

/// Waits for a moment; for ever without one.
async fn passed(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

async fn exit_code(client: &Client, task: &TaskId) -> anyhow::Result<u8> {
    let result = client.task(task).await?.result.context("the stream ended before the task did")?;
    Ok(u8::try_from(result.exit_code).unwrap_or(1))
}

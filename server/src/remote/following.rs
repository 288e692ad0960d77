//! Follows a task to its end, and shows it.

use std::io::Stdout;
use std::pin::{Pin, pin};
use std::time::Duration;

use anyhow::Context;
use client::{Client, ClientError, Followed, Follower, Form, Interrupted, Printer};
use domain::TaskId;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

/// Left by Ctrl-C, as a shell would say.
pub(super) const EXIT_LEFT: u8 = 130;
const TICK: Duration = Duration::from_secs(1);

/// An interrupt on its way.
type Interrupting<'a> = Pin<Box<dyn Future<Output = Result<Interrupted, ClientError>> + 'a>>;

/// Ctrl-C, from now on a message.
pub(super) fn ctrl_c() -> anyhow::Result<Signal> {
    signal(SignalKind::interrupt()).context("Ctrl-C cannot be received")
}

/// Shows a task's events after a cursor; gives its exit code. Ctrl-C leaves.
pub(super) async fn watch(client: &Client, task: &TaskId, after: u64, form: Form) -> anyhow::Result<u8> {
    let mut ctrl_c = ctrl_c()?;
    let mut printer = Printer::stdout(form);
    let following = Following { client, task, interrupting: None, stops: false };
    let ended = following.shown(after, &mut ctrl_c, &mut printer).await;
    printer.finish();
    ended
}

/// Shows a task's events; gives its exit code. Ctrl-C interrupts the task, and leaves when it comes again.
pub(super) async fn attend(
    client: &Client,
    task: &TaskId,
    ctrl_c: &mut Signal,
    is_unwanted: bool,
    printer: &mut Printer<Stdout>,
) -> anyhow::Result<u8> {
    let mut following = Following { client, task, interrupting: None, stops: true };
    if is_unwanted {
        following.interrupt();
    }
    let ended = following.shown(0, ctrl_c, printer).await;
    printer.finish();
    ended
}

/// What came next.
enum Step {
    Followed(Option<Followed>),
    /// Ctrl-C, and nothing to be stopped by it any more.
    Left,
}

struct Following<'a> {
    client: &'a Client,
    task: &'a TaskId,
    interrupting: Option<Interrupting<'a>>,
    /// Whether Ctrl-C still stops the task, instead of leaving it.
    stops: bool,
}

impl Following<'_> {
    fn interrupt(&mut self) {
        self.stops = false;
        let (client, task) = (self.client, self.task);
        self.interrupting = Some(Box::pin(client.interrupt(task)));
    }

    async fn shown(
        mut self,
        after: u64,
        ctrl_c: &mut Signal,
        printer: &mut Printer<Stdout>,
    ) -> anyhow::Result<u8> {
        let mut follower = self.client.follow(self.task, after);
        loop {
            match self.next(&mut follower, ctrl_c, printer).await? {
                Step::Followed(Some(Followed::Event(event))) => {
                    printer.event(&event);
                    if let Some(code) = event.exit_code() {
                        return Ok(code);
                    }
                }
                Step::Followed(Some(Followed::Lost(why))) => {
                    printer.note(&format!("connecting again: {why}"))
                }
                // It had ended before the cursor.
                Step::Followed(None) => return exit_code(self.client, self.task).await,
                Step::Left => return Ok(EXIT_LEFT),
            }
        }
    }

    async fn next(
        &mut self,
        follower: &mut Follower<'_>,
        ctrl_c: &mut Signal,
        printer: &mut Printer<Stdout>,
    ) -> Result<Step, ClientError> {
        let mut next = pin!(follower.next());
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                followed = &mut next => return followed.map(Step::Followed),
                _ = tick.tick() => printer.tick(),
                answer = answered(&mut self.interrupting) => {
                    if let Err(error) = answer {
                        printer.note(&format!("it cannot be interrupted: {error}"));
                    }
                }
                _ = ctrl_c.recv() => {
                    if !self.stops {
                        return Ok(Step::Left);
                    }
                    printer.note("interrupting; Ctrl-C again leaves at once");
                    self.interrupt();
                }
            }
        }
    }
}

/// Waits for an interrupt's answer; for ever without one.
async fn answered(interrupting: &mut Option<Interrupting<'_>>) -> Result<Interrupted, ClientError> {
    let Some(answer) = interrupting else { return std::future::pending().await };
    let answer = answer.await;
    *interrupting = None;
    answer
}

async fn exit_code(client: &Client, task: &TaskId) -> anyhow::Result<u8> {
    let result = client.task(task).await?.result.context("the stream ended before the task did")?;
    Ok(u8::try_from(result.exit_code).unwrap_or(1))
}

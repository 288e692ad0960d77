//! Tasks with sessions of their own.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::{REAL_MODEL, Task, gap};
use crate::caller::Callers;
use crate::reader::{Habit, Reader};
use crate::tally::Fault;

/// Begins one caller after the other, so many a second by chance, none waiting for another.
async fn many<F>(
    callers: Arc<Callers>,
    per_second: f64,
    mut chance: Rng,
    one: impl Fn(Arc<Callers>, u64, Rng) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    for number in 0.. {
        if !callers.pause(gap(&mut chance, per_second)).await {
            return;
        }
        let Ok(room) = Arc::clone(&callers.room).acquire_owned().await else { return };
        let work = one(Arc::clone(&callers), number, chance.fork());
        callers.at_work.spawn(async move {
            work.await;
            drop(room);
        });
    }
}

/// Submits a task and reads it to its end; true when it completed.
async fn run(callers: &Callers, task: &Task, habit: Habit) -> bool {
    let Some(life) = callers.submit(&task.body).await else { return false };
    let outcome = Reader::new(callers, &task.id, habit).outcome().await;
    outcome.is_some_and(|outcome| task.judge(callers, life, &outcome))
}

/// Tasks that end at once.
pub(super) async fn short_tasks(callers: Arc<Callers>, per_second: f64, chance: Rng) {
    let one = |callers: Arc<Callers>, number, mut chance: Rng| async move {
        let id = format!("short-{number}");
        let prompt = format!(
            "tool Bash {{\"command\":\"true\"}}; emit {} {}; sleep {}; toolend; say {id}",
            chance.u32(1..10),
            chance.u32(20..600),
            chance.u32(0..60)
        );
        let task = Task::new(&callers, id, &prompt, chance.bool());
        let habit = if chance.u8(..4) == 0 { Habit::ComesAndGoes(chance.fork()) } else { Habit::Stays };
        run(&callers, &task, habit).await;
    };
    many(callers, per_second, chance, one).await;
}

/// Tasks that are interrupted at some moment.
pub(super) async fn interrupted_tasks(callers: Arc<Callers>, per_second: f64, chance: Rng) {
    let one = |callers: Arc<Callers>, number, mut chance: Rng| async move {
        let id = format!("interrupted-{number}");
        let prompt =
            if chance.bool() { "emit 20 300; hold".to_owned() } else { "rate 20 300 600".to_owned() };
        let task = Task { is_interrupted: true, ..Task::new(&callers, id, &prompt, true) };
        let Some(life) = callers.submit(&task.body).await else { return };
        let reading = Reader::new(&callers, &task.id, Habit::Stays).outcome();
        let interrupting = async {
            tokio::time::sleep(Duration::from_millis(chance.u64(0..1500))).await;
            let during = callers.lives.up().await.number;
            let asked = Instant::now();
            callers.interrupt(&task.id).await;
            (during, asked)
        };
        let outcome = async { (reading.await, Instant::now()) };
        let ((outcome, ended), (during, asked)) = tokio::join!(outcome, interrupting);
        if callers.lives.goes_on(during) && ended > asked {
            callers.meter.interrupt(ended.duration_since(asked));
        }
        if let Some(outcome) = outcome {
            task.judge(&callers, life, &outcome);
        }
    };
    many(callers, per_second, chance, one).await;
}

/// Tasks of the real CLI.
pub(super) async fn real_tasks(callers: Arc<Callers>, per_second: f64, chance: Rng) {
    let one = |callers: Arc<Callers>, number, mut chance: Rng| async move {
        let id = format!("real-{number}");
        let prompt = format!("[[write {id}.txt hello]] [[stream 20 30]] [[say {id}]]");
        let mut task = Task::new(&callers, id, &prompt, true);
        task.body["options"]["model"] = REAL_MODEL.into();
        callers.tally.count(|counts| counts.real_tasks += 1);
        let Some(life) = callers.submit(&task.body).await else { return };
        let outcome = Reader::new(&callers, &task.id, Habit::ComesAndGoes(chance.fork())).outcome().await;
        let has_completed = outcome.is_some_and(|outcome| task.judge(&callers, life, &outcome));
        let written = callers.workspace.join(format!("{}.txt", task.id));
        if std::fs::remove_file(written).is_err() && has_completed {
            if callers.lives.goes_on(life) {
                callers.tally.fault(Fault::WrongOutcome, 1, format!("{}: its file was not written", task.id));
            } else {
                callers.tally.count(|counts| counts.calls_cut_by_restarts += 1);
            }
        }
    };
    many(callers, per_second, chance, one).await;
}

/// One task after the other that streams for a while, with a reader that stays and one that comes and goes.
pub(super) async fn streams(callers: Arc<Callers>, number: usize, per_second: u32, mut chance: Rng) {
    let mut turn = 0_u64;
    while callers.pause(Duration::from_millis(chance.u64(0..500))).await {
        turn += 1;
        let id = format!("stream-{number}-{turn}");
        let prompt = format!("rate {per_second} 300 {}; say {id}", chance.u32(10..40));
        let task = Task::new(&callers, id, &prompt, chance.bool());
        let Some(life) = callers.submit(&task.body).await else { continue };
        let (stays, comes_back) = tokio::join!(
            Reader::new(&callers, &task.id, Habit::Measures).outcome(),
            Reader::new(&callers, &task.id, Habit::ComesAndGoes(chance.fork())).outcome()
        );
        if stays != comes_back {
            let what = format!("{}: one reader was told {stays:?}, another {comes_back:?}", task.id);
            callers.tally.fault(Fault::WrongOutcome, 1, what);
        }
        if let Some(outcome) = stays {
            task.judge(&callers, life, &outcome);
        }
    }
}

//! Sessions that get one task after the other, each of which has to know what was said before.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use serde_json::json;

use super::Task;
use crate::caller::Callers;
use crate::reader::{Habit, Reader};
use crate::tally::Fault;

/// One session after the other, until the callers finish.
pub(super) async fn one_after_the_other(callers: Arc<Callers>, number: usize, mut chance: Rng) {
    let mut session = 0_u64;
    while callers.pause(Duration::from_millis(chance.u64(0..300))).await {
        session += 1;
        let first = format!("talk-{number}-{session}");
        let tasks = chance.u32(4..14);
        converse(&callers, &first, tasks, &mut chance).await;
        if chance.bool() {
            callers.delete_session(&format!("session-{first}")).await;
        }
    }
}

/// Runs a session's tasks until one does not complete.
async fn converse(callers: &Callers, first: &str, tasks: u32, chance: &mut Rng) {
    let mut began = None;
    for turn in 0..tasks {
        let id = if turn == 0 { first.to_owned() } else { format!("{first}-turn-{turn}") };
        let prompt = format!("sleep {}; say {id}; recall", chance.u32(10..200));
        let mut task = Task::new(callers, id, &prompt, chance.bool());
        if turn > 0 {
            let session = format!("session-{first}");
            task.body["session"] = json!({"reuse_existing": true, "session_id": session});
        }
        task.since = began;
        let Some(life) = callers.submit(&task.body).await else { return };
        began = began.or(Some(life));
        let Some(outcome) = Reader::new(callers, &task.id, Habit::Stays).outcome().await else { return };
        if !task.judge(callers, life, &outcome) {
            return;
        }
        let recalled = outcome.summary.unwrap_or_default();
        // Who had answered when the server died is asked to go on, and may have nothing more to say.
        if callers.lives.goes_on(life) {
            check(callers, &task.id, turn, &recalled, first);
        }
        if !callers.pause(Duration::from_millis(chance.u64(0..800))).await {
            return;
        }
    }
}

/// All earlier prompts have to be there, by the names of their tasks.
fn check(callers: &Callers, task: &str, turn: u32, recalled: &str, first: &str) {
    let names = (0..turn)
        .map(|turn| if turn == 0 { format!("say {first};") } else { format!("say {first}-turn-{turn};") });
    let missing: Vec<_> = names.filter(|name| !recalled.contains(name)).collect();
    if missing.is_empty() {
        callers.tally.count(|counts| counts.prompts_recalled += u64::from(turn));
    } else {
        let what = format!("{task} does not know {missing:?}; it recalls {recalled:?}");
        callers.tally.fault(Fault::ForgottenConversation, 1, what);
    }
}

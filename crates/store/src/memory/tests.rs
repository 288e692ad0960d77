use std::sync::Arc;
use std::time::Duration;

use domain::{ConversationId, Progress, Schedule, SessionChoice, TaskSpec, TaskStatus, WhenBusy};

use super::*;
use crate::conformance::{self, Backend, NOW};
use crate::{BatchBuilder, PASSED_OVER_AT_ONCE};

struct Memory(Arc<MemoryStore>);

impl Backend for Memory {
    type Store = MemoryStore;

    fn store(&self) -> Arc<MemoryStore> {
        Arc::clone(&self.0)
    }

    fn fail_next_commit(&self, point: FailurePoint) {
        self.0.fail_next_commit(point);
    }

    async fn reopen(&mut self) {
        self.0 = Arc::new(self.0.reopened().expect("memory"));
    }
}

#[tokio::test]
async fn passes_the_conformance_suite() {
    conformance::run(async || Memory(Arc::new(MemoryStore::default()))).await;
}

#[tokio::test]
async fn ended_tasks_beyond_what_is_kept_are_dropped_at_once() {
    let store = MemoryStore::new(CoreSettings::default(), Retention { max_tasks: 1, ..KEPT_IN_MEMORY });
    let running = conformance::submit_and_claim(&store, "running").await;
    for id in ["a", "b"] {
        let claimed = conformance::submit_and_claim(&store, id).await;
        conformance::finish(&store, &claimed, 1).await;
    }
    let found = async |id: &str| store.task(&conformance::id(id)).await.expect("memory").is_some();
    assert_eq!((found("running").await, found("a").await, found("b").await), (true, false, true));
    assert_eq!(running.task.status, TaskStatus::Running);
    let sessions: Vec<_> = store.sessions().await.expect("memory").into_iter().map(|s| s.id).collect();
    assert_eq!(sessions.iter().map(SessionId::as_str).collect::<Vec<_>>(), ["session-running", "session-b"]);
}

#[tokio::test]
async fn what_is_dropped_at_once_is_found_behind_any_number_of_tasks_that_stay() {
    let store = MemoryStore::new(CoreSettings::default(), Retention { max_tasks: 1, ..KEPT_IN_MEMORY });
    let origin = conformance::submit_and_claim(&store, "t0").await;
    let conversation = Some(ConversationId::generate());
    store.append(Append { conversation, ..conformance::append(&origin, 1..=1) }).await.expect("written");
    conformance::finish(&store, &origin, 2).await;
    let fork = SessionChoice::Fork(origin.task.session_id);
    let schedule = Schedule { start_at: Some(NOW.after(Duration::from_secs(1))), ..Schedule::default() };
    let fork = TaskSpec { session: fork, schedule, ..conformance::spec("fork") };
    store.submit(conformance::submit(fork)).await.expect("admitted");
    for number in 1..=PASSED_OVER_AT_ONCE {
        let task = conformance::in_session(&format!("t{number}"), "session-t0", WhenBusy::Enqueue);
        store.submit(conformance::submit(task)).await.expect("admitted");
        conformance::finish(&store, &conformance::claim(&store, NOW).await, 1).await;
    }
    for task in ["a", "b", "c"] {
        conformance::finish(&store, &conformance::submit_and_claim(&store, task).await, 1).await;
    }
    let found = async |id: &str| store.task(&conformance::id(id)).await.expect("memory").is_some();
    assert_eq!((found("t0").await, found("t128").await, found("a").await), (true, true, false));
}

#[tokio::test]
async fn a_task_whose_log_is_full_can_still_be_ended() {
    let settings = CoreSettings { max_task_bytes: 30, ..CoreSettings::default() };
    let store = MemoryStore::new(settings, KEPT_IN_MEMORY);
    let claimed = conformance::submit_and_claim(&store, "t").await;
    let append = |seq| {
        let mut events = BatchBuilder::new(seq);
        events.push(|bytes| bytes.extend_from_slice(b"0123456789"));
        Append {
            task_id: claimed.task.spec.task_id.clone(),
            token: claimed.token,
            events: events.take(),
            progress: Progress::default(),
            cost_usd: 0.0,
            conversation: None,
            now: NOW,
        }
    };
    assert_eq!(store.append(append(1)).await, Ok(()));
    assert_eq!(store.append(append(2)).await, Ok(()));
    assert_eq!(store.append(append(3)).await, Err(CommitError::LogFull { limit: 30 }));
    conformance::finish(&store, &claimed, 3).await;
}

#[tokio::test]
async fn a_cursor_of_an_earlier_life_stands_before_everything_of_a_later_one() {
    let life = |now| MemoryStore::begun_at(now, CoreSettings::default(), KEPT_IN_MEMORY);
    let now = Timestamp::parse("2026-01-19T10:00:00.000Z").expect("a time");
    let first = life(now);
    let claimed = conformance::submit_and_claim(&first, "t").await;
    first.append(conformance::append(&claimed, 1..=50)).await.expect("written");
    let cursor = *first.watch_feed().borrow();
    let second = life(now.after(Duration::from_millis(1)));
    let claimed = conformance::submit_and_claim(&second, "t").await;
    second.append(conformance::append(&claimed, 1..=80)).await.expect("written");
    let page = second.read_feed(cursor, &FeedFilter::default()).await.expect("memory");
    assert_eq!((page.entries.len(), page.cursor), (82, *second.watch_feed().borrow()));
    let end_of_times = life(Timestamp::parse("2200-01-01T00:00:00.000Z").expect("a time"));
    assert!(*end_of_times.watch_feed().borrow() < 1 << 53);
}

#[tokio::test]
async fn a_task_that_runs_in_a_session_that_was_given_back_is_taken_over() {
    let store = MemoryStore::default();
    let claimed = conformance::submit_and_claim(&store, "t").await;
    let session_id = claimed.task.session_id.clone();
    let early = Release { session_id, token: claimed.token, conversation: None, now: NOW };
    store.release(early).await.expect("released");
    let store = store.reopened().expect("memory");
    let taken = store.take_over(NOW).await.expect("memory");
    assert_eq!(taken.iter().map(|taken| taken.task.clone()).collect::<Vec<_>>(), [claimed.task]);
    assert_eq!(store.counts(NOW).await, Ok(Counts { running: 1, active_sessions: 1, ..Counts::default() }));
    conformance::finish(&store, &taken[0], 1).await;
    assert_eq!(store.counts(NOW).await, Ok(Counts::default()));
}

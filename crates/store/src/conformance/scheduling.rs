//! Whose turn it is. The rules themselves are tested with the queue.

use domain::{Principal, Priority, Schedule, TaskStatus};

use super::*;
use crate::{Counts, Doom, SubmitError};

pub(super) async fn run<B: Backend>(new: &impl AsyncFn() -> B) {
    the_urgent_go_first_and_principals_take_turns(&*new().await.store()).await;
    a_delayed_task_starts_when_its_time_has_come(&*new().await.store()).await;
    a_task_waits_for_what_it_depends_on(&*new().await.store()).await;
    a_task_is_doomed_by_what_it_depends_on(&*new().await.store()).await;
    what_is_not_due_is_told_apart_from_what_waits(new().await).await;
}

async fn order(store: &dyn Store) -> Vec<String> {
    let mut order = Vec::new();
    while let Claim::Task(claimed) = store.claim(ticket(), NOW).await.expect("available") {
        order.push(claimed.task.spec.task_id.to_string());
    }
    order
}

async fn the_urgent_go_first_and_principals_take_turns(store: &dyn Store) {
    let principal = |name: &str| Principal::parse(name).expect("valid");
    for (task, owner, priority) in [("a1", "a", 0), ("a2", "a", 0), ("b1", "b", 0), ("a3", "a", 7)] {
        let priority = Priority::new(priority).expect("valid");
        let schedule = Schedule { priority, ..Schedule::default() };
        let spec = TaskSpec { principal: principal(owner), schedule, ..spec(task) };
        store.submit(submit(spec)).await.expect("admitted");
    }
    assert_eq!(order(store).await, ["a3", "b1", "a1", "a2"]);
}

async fn a_delayed_task_starts_when_its_time_has_come(store: &dyn Store) {
    let schedule = Schedule { start_at: Some(after(50)), ..Schedule::default() };
    store.submit(submit(TaskSpec { schedule, ..spec("t") })).await.expect("admitted");
    assert_eq!(store.claim(ticket(), NOW).await, Ok(Claim::Nothing { until: Some(after(50)) }));
    assert_eq!(store.claim(ticket(), after(49)).await, Ok(Claim::Nothing { until: Some(after(50)) }));
    assert_eq!(claim(store, after(50)).await.task.spec.task_id, id("t"));
}

fn dependent(task: &str, on: &[&str]) -> TaskSpec {
    let depends_on = on.iter().map(|task| id(task)).collect();
    TaskSpec { schedule: Schedule { depends_on, ..Schedule::default() }, ..spec(task) }
}

async fn a_task_waits_for_what_it_depends_on(store: &dyn Store) {
    let unknown = store.submit(submit(dependent("t", &["nobody"]))).await;
    assert_eq!(unknown, Err(SubmitError::DependencyUnknown(id("nobody"))));
    let first = submit_and_claim(store, "first").await;
    store.submit(submit(dependent("second", &["first"]))).await.expect("admitted");
    assert!(nothing(store, NOW).await);
    let mut queue = store.watch_queue();
    queue.borrow_and_update();
    finish(store, &first, 1).await;
    assert_eq!(queue.has_changed().ok(), Some(true));
    let second = claim(store, NOW).await;
    assert_eq!(second.task.spec.task_id, id("second"));
    store.submit(submit(dependent("third", &["first"]))).await.expect("admitted");
    assert_eq!(claim(store, NOW).await.task.spec.task_id, id("third"), "what has completed holds nobody up");
}

async fn a_task_is_doomed_by_what_it_depends_on(store: &dyn Store) {
    let first = submit_and_claim(store, "first").await;
    store.submit(submit(dependent("second", &["first"]))).await.expect("admitted");
    store.submit(submit(dependent("third", &["second"]))).await.expect("admitted");
    finish_as(store, &first, 1, Ending::Failed).await;
    store.submit(submit(dependent("late", &["first"]))).await.expect("admitted");
    let doomed = |doomed: Vec<crate::Doomed>| {
        doomed
            .into_iter()
            .map(|doomed| (doomed.task.spec.task_id.to_string(), doomed.reason))
            .collect::<Vec<_>>()
    };
    let reason = Doom::DependencyEnded(id("first"), TaskStatus::Failed);
    let found = doomed(store.doomed().await.expect("available"));
    assert_eq!(found, [("second".into(), reason.clone()), ("late".into(), reason)]);
    assert!(nothing(store, NOW).await);
    for task in ["second", "late"] {
        store.finish(finish_with(id(task), None, 1, Ending::Failed)).await.expect("ended");
    }
    let found = doomed(store.doomed().await.expect("available"));
    assert_eq!(found, [("third".into(), Doom::DependencyEnded(id("second"), TaskStatus::Failed))]);
}

async fn what_is_not_due_is_told_apart_from_what_waits<B: Backend>(mut backend: B) {
    let store = backend.store();
    let counted = async |store: &B::Store, now, waiting, scheduled| {
        let counts = store.counts(now).await.expect("available");
        assert_eq!((counts.waiting, counts.scheduled), (waiting, scheduled), "at {now:?}");
    };
    let first = submit_and_claim(&*store, "first").await;
    let later = |task: &str, millis, on: &[&str]| {
        let TaskSpec { schedule, .. } = dependent(task, on);
        TaskSpec { schedule: Schedule { start_at: Some(after(millis)), ..schedule }, ..spec(task) }
    };
    for spec in [later("timed", 50, &[]), dependent("depends", &["first"]), later("both", 70, &["first"])] {
        store.submit(submit(spec)).await.expect("admitted");
    }
    counted(&store, NOW, 0, 3).await;
    // Nobody has claimed since: all agents may be busy.
    counted(&store, after(49), 0, 3).await;
    counted(&store, after(50), 1, 2).await;
    finish(&*store, &first, 1).await;
    counted(&store, NOW, 1, 2).await;
    counted(&store, after(70), 3, 0).await;
    drop(store);
    backend.reopen().await;
    let store = backend.store();
    counted(&store, after(50), 2, 1).await;
    let claimed = claim(&*store, after(50)).await;
    store.put_back(put_back(&claimed, 1, WaitReason::RateLimit, after(900))).await.expect("put back");
    store.release(release(&claimed, None)).await.expect("released");
    store.request_interrupt(&id("both"), NOW).await.expect("recorded");
    let doomed_waits = Counts { waiting: 2, parked: 1, ..Counts::default() };
    assert_eq!(store.counts(after(60)).await, Ok(doomed_waits), "who is to be ended holds nobody up");
}

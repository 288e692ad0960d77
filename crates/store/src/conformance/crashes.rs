//! What is left after a failed commit, and after a crash.

use domain::TaskStatus;

use super::*;
use crate::{CommitError, Counts, Doom};

pub(super) async fn run<B: Backend>(new: &impl AsyncFn() -> B) {
    a_commit_that_failed_left_nothing(new().await).await;
    a_commit_whose_answer_was_lost_can_be_repeated(new().await).await;
    a_crash_loses_nothing_that_was_answered(new().await).await;
    what_ran_before_a_crash_is_taken_over_and_its_worker_fenced(new().await).await;
    a_session_whose_release_a_crash_swallowed_is_given_back(new().await).await;
    waiting_tasks_wait_for_the_same_after_a_crash(new().await).await;
    a_probe_fails_as_commands_do_and_leaves_no_trace(new().await).await;
}

async fn a_commit_that_failed_left_nothing<B: Backend>(backend: B) {
    let store = backend.store();
    backend.fail_next_commit(FailurePoint::BeforeCommit);
    assert!(store.submit(submit(spec("t"))).await.is_err());
    assert_eq!((store.task(&id("t")).await, store.counts(NOW).await), (Ok(None), Ok(Counts::default())));
    store.submit(submit(spec("t"))).await.expect("admitted");
    backend.fail_next_commit(FailurePoint::BeforeCommit);
    let ticket = ticket();
    assert!(store.claim(ticket, NOW).await.is_err());
    let Ok(Claim::Task(claimed)) = store.claim(ticket, NOW).await else { unreachable!("a task to claim") };
    let task = store.task(&id("t")).await.expect("available").expect("there");
    assert_eq!((claimed.task.attempt, task.attempt, task.status), (1, 1, TaskStatus::Running));
    backend.fail_next_commit(FailurePoint::BeforeCommit);
    assert!(matches!(store.append(append(&claimed, 1..=2)).await, Err(CommitError::Store(_))));
    assert_eq!(read_all(&*store, "t").await, (vec![], false));
    store.append(append(&claimed, 1..=2)).await.expect("written");
    backend.fail_next_commit(FailurePoint::BeforeCommit);
    let finish = finish_with(id("t"), Some(claimed.token), 3, Ending::Completed);
    assert!(matches!(store.finish(finish.clone()).await, Err(CommitError::Store(_))));
    assert_eq!(store.task(&id("t")).await.expect("available").expect("there").status, TaskStatus::Running);
    store.finish(finish).await.expect("finished");
    backend.fail_next_commit(FailurePoint::BeforeCommit);
    assert!(store.release(release(&claimed, None)).await.is_err());
    assert_eq!(store.counts(NOW).await, Ok(Counts { active_sessions: 1, ..Counts::default() }));
    store.release(release(&claimed, None)).await.expect("released");
    assert_eq!(read_all(&*store, "t").await, (encoded(1..=3), true));
}

async fn a_commit_whose_answer_was_lost_can_be_repeated<B: Backend>(backend: B) {
    let store = backend.store();
    backend.fail_next_commit(FailurePoint::AfterCommit);
    assert!(store.submit(submit(spec("t"))).await.is_err());
    assert!(!store.submit(submit(spec("t"))).await.expect("the same task").created);
    let ticket = ticket();
    backend.fail_next_commit(FailurePoint::AfterCommit);
    assert!(store.claim(ticket, NOW).await.is_err());
    let Ok(Claim::Task(claimed)) = store.claim(ticket, NOW).await else { unreachable!("the same task") };
    assert_eq!(claimed.task.attempt, 1);
    backend.fail_next_commit(FailurePoint::AfterCommit);
    assert!(matches!(store.append(append(&claimed, 1..=2)).await, Err(CommitError::Store(_))));
    let again = store.append(append(&claimed, 1..=2)).await;
    assert_eq!(again, Err(CommitError::Sequence { tail: 2, first: 1 }), "which tells that it is there");
    backend.fail_next_commit(FailurePoint::AfterCommit);
    let finish = finish_with(id("t"), Some(claimed.token), 3, Ending::Completed);
    assert!(matches!(store.finish(finish.clone()).await, Err(CommitError::Store(_))));
    assert_eq!(store.finish(finish).await, Err(CommitError::Fenced), "which tells that it is there");
    assert_eq!(read_all(&*store, "t").await, (encoded(1..=3), true));
}

async fn a_crash_loses_nothing_that_was_answered<B: Backend>(mut backend: B) {
    let store = backend.store();
    let ended = submit_and_claim(&*store, "ended").await;
    store.append(append(&ended, 1..=600)).await.expect("written");
    store.finish(finish_with(id("ended"), Some(ended.token), 601, Ending::Failed)).await.expect("finished");
    let kept = conversation();
    store.release(release(&ended, Some(kept))).await.expect("released");
    store.submit(submit(in_session("waits", "session-ended", WhenBusy::Enqueue))).await.expect("admitted");
    let before = (store.task(&id("ended")).await, store.task(&id("waits")).await, store.sessions().await);
    let feed = store.read_feed(0, &crate::FeedFilter::default()).await;
    drop(store);
    backend.reopen().await;
    let store = backend.store();
    let found = (store.task(&id("ended")).await, store.task(&id("waits")).await, store.sessions().await);
    assert_eq!(found, before);
    assert_eq!(store.read_feed(0, &crate::FeedFilter::default()).await, feed);
    assert_eq!(read_all(&*store, "ended").await, (encoded(1..=601), true));
    assert_eq!(store.take_over(NOW).await, Ok(vec![]));
    let claimed = claim(&*store, NOW).await;
    assert_eq!((claimed.task.spec.task_id.clone(), claimed.conversation), (id("waits"), Some(kept)));
    assert!(claimed.token > ended.token);
}

async fn what_ran_before_a_crash_is_taken_over_and_its_worker_fenced<B: Backend>(mut backend: B) {
    let store = backend.store();
    let before = submit_and_claim(&*store, "t").await;
    let written = conversation();
    let begun = Append { conversation: Some(written), ..append(&before, 1..=2) };
    store.append(begun).await.expect("written");
    store.submit(submit(in_session("next", "session-t", WhenBusy::Enqueue))).await.expect("admitted");
    drop(store);
    backend.reopen().await;
    let store = backend.store();
    assert!(nothing(&*store, NOW).await, "its session is held until it is taken over");
    let taken = store.take_over(NOW).await.expect("available");
    let [taken] = taken.as_slice() else { unreachable!("{taken:?}") };
    assert_eq!(
        (taken.task.spec.task_id.clone(), taken.task.status, taken.task.tail, taken.task.conversation),
        (id("t"), TaskStatus::Running, 2, Some(written))
    );
    assert_eq!(store.take_over(NOW).await, Ok(vec![taken.clone()]), "until its session is given back");
    assert_eq!(store.append(append(&before, 3..=3)).await, Err(CommitError::Fenced));
    store.put_back(put_back(taken, 3, WaitReason::CutOff, NOW)).await.expect("put back");
    assert!(nothing(&*store, NOW).await, "its session is held");
    // Whoever lost the answer, or what it did about it, goes on so.
    assert_eq!(store.take_over(NOW).await, Ok(vec![]));
    let again = claim(&*store, NOW).await;
    assert_eq!((again.task.spec.task_id.clone(), again.after), (id("t"), Some(WaitReason::CutOff)));
    finish(&*store, &again, 4).await;
    assert_eq!(read_all(&*store, "t").await, (encoded(1..=4), true));
    let next = claim(&*store, NOW).await;
    assert_eq!((next.task.spec.task_id.clone(), next.conversation), (id("next"), Some(written)));
}

async fn a_session_whose_release_a_crash_swallowed_is_given_back<B: Backend>(mut backend: B) {
    let store = backend.store();
    let claimed = submit_and_claim(&*store, "t").await;
    let written = conversation();
    let begun = Append { conversation: Some(written), ..append(&claimed, 1..=1) };
    store.append(begun).await.expect("written");
    store.finish(finish_with(id("t"), Some(claimed.token), 2, Ending::Completed)).await.expect("finished");
    store.submit(submit(in_session("next", "session-t", WhenBusy::Enqueue))).await.expect("admitted");
    drop(store);
    backend.reopen().await;
    let store = backend.store();
    assert_eq!(store.take_over(NOW).await, Ok(vec![]));
    let next = claim(&*store, NOW).await;
    assert_eq!((next.task.spec.task_id.clone(), next.conversation), (id("next"), Some(written)));
}

async fn waiting_tasks_wait_for_the_same_after_a_crash<B: Backend>(mut backend: B) {
    let store = backend.store();
    let parked = submit_and_claim(&*store, "parked").await;
    store.put_back(put_back(&parked, 1, WaitReason::RateLimit, after(100))).await.expect("put back");
    store.release(release(&parked, None)).await.expect("released");
    let depends_on = |on: &str| domain::Schedule { depends_on: vec![id(on)], ..domain::Schedule::default() };
    store
        .submit(submit(TaskSpec { schedule: depends_on("parked"), ..spec("waits") }))
        .await
        .expect("admitted");
    let failed = store.submit(submit(spec("failed"))).await.expect("admitted").task.spec.task_id.clone();
    store
        .submit(submit(TaskSpec { schedule: depends_on("failed"), ..spec("doomed") }))
        .await
        .expect("admitted");
    store.finish(finish_with(failed, None, 1, Ending::Failed)).await.expect("ended");
    store.submit(submit(spec("stop"))).await.expect("admitted");
    store.request_interrupt(&id("stop"), NOW).await.expect("recorded");
    drop(store);
    backend.reopen().await;
    let store = backend.store();
    assert_eq!(store.claim(ticket(), NOW).await, Ok(Claim::Nothing { until: Some(after(100)) }));
    let doomed: Vec<_> = store.doomed().await.expect("available");
    let doomed: Vec<_> =
        doomed.into_iter().map(|doomed| (doomed.task.spec.task_id.clone(), doomed.reason)).collect();
    let dependency = Doom::DependencyEnded(id("failed"), TaskStatus::Failed);
    assert_eq!(doomed, [(id("doomed"), dependency), (id("stop"), Doom::InterruptRequested)]);
    let again = claim(&*store, after(100)).await;
    assert_eq!((again.task.attempt, again.after), (2, Some(WaitReason::RateLimit)));
    finish(&*store, &again, 2).await;
    assert_eq!(claim(&*store, NOW).await.task.spec.task_id, id("waits"));
}

async fn a_probe_fails_as_commands_do_and_leaves_no_trace<B: Backend>(mut backend: B) {
    let store = backend.store();
    let claimed = submit_and_claim(&*store, "t").await;
    let (task, feed) = (store.task(&id("t")).await, store.read_feed(0, &crate::FeedFilter::default()).await);
    assert_eq!((store.probe().await, store.probe().await), (Ok(()), Ok(())));
    backend.fail_next_commit(FailurePoint::BeforeCommit);
    assert!(store.probe().await.is_err());
    assert_eq!(store.probe().await, Ok(()));
    assert_eq!(store.task(&id("t")).await, task);
    assert_eq!(store.read_feed(0, &crate::FeedFilter::default()).await, feed);
    store.append(append(&claimed, 1..=1)).await.expect("written");
    drop(store);
    backend.reopen().await;
    assert_eq!(backend.store().probe().await, Ok(()));
    assert_eq!(read_all(&*backend.store(), "t").await, (encoded(1..=1), false));
}

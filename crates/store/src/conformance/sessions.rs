//! Conversations: one task at a time, in order; what happens when they are busy; forks; deletion.

use domain::{SessionStatus, TaskStatus};

use super::*;
use crate::{CreateSession, DeleteError, DeletedSession, Doom, Dropped, Retention, SubmitError};

pub(super) async fn run<B: Backend>(new: &impl AsyncFn() -> B) {
    a_session_runs_one_task_at_a_time_in_order(&*new().await.store()).await;
    a_busy_session_does_what_the_caller_wants(&*new().await.store()).await;
    a_fork_begins_with_a_copy(&*new().await.store()).await;
    a_busy_session_is_not_deleted(&*new().await.store()).await;
    sessions_tell_what_they_are(&*new().await.store()).await;
    a_session_has_nothing_of_an_earlier_one_of_its_name(new().await).await;
}

async fn a_session_runs_one_task_at_a_time_in_order(store: &dyn Store) {
    let first = submit_and_claim(store, "a").await;
    let reuse = in_session("b", "session-a", WhenBusy::Enqueue);
    let elsewhere = TaskSpec { workspace: "/x".into(), ..reuse.clone() };
    assert_eq!(
        store.submit(submit(elsewhere)).await,
        Err(SubmitError::SessionWorkspaceDiffers(PathBuf::from("/w")))
    );
    store.submit(submit(reuse)).await.expect("admitted");
    assert!(nothing(store, NOW).await, "the session is held");
    store.finish(finish_with(id("a"), Some(first.token), 1, Ending::Completed)).await.expect("finished");
    assert!(nothing(store, NOW).await, "the agent's process is not gone yet");
    let kept = conversation();
    let mut queue = store.watch_queue();
    queue.borrow_and_update();
    store.release(release(&first, Some(kept))).await.expect("released");
    assert_eq!(queue.has_changed().ok(), Some(true), "a release wakes those who claim");
    let second = claim(store, NOW).await;
    assert_eq!((second.task.spec.task_id.clone(), second.conversation), (id("b"), Some(kept)));
    assert!(second.token > first.token);
    store.release(release(&first, None)).await.expect("an outdated release changes nothing");
    store.submit(submit(in_session("c", "session-a", WhenBusy::Enqueue))).await.expect("admitted");
    assert!(nothing(store, NOW).await);
}

async fn a_busy_session_does_what_the_caller_wants(store: &dyn Store) {
    store.submit(submit(spec("a"))).await.expect("admitted");
    let early = store.submit(submit(in_session("x", "session-a", WhenBusy::Fork))).await;
    assert_eq!(early, Err(SubmitError::NothingToFork(session("session-a"))));
    let first = claim(store, NOW).await;
    store.submit(submit(in_session("b", "session-a", WhenBusy::Enqueue))).await.expect("admitted");
    let refused = store.submit(submit(in_session("x", "session-a", WhenBusy::Reject))).await;
    assert_eq!(refused, Err(SubmitError::SessionBusy(vec![id("a"), id("b")])));
    let written = conversation();
    let begun = Append { conversation: Some(written), ..append(&first, 1..=1) };
    store.append(begun).await.expect("written");
    let fork = store.submit(submit(in_session("f", "session-a", WhenBusy::Fork))).await.expect("admitted");
    assert_eq!(fork.task.session_id, session("session-f"));
    let fork = claim(store, NOW).await;
    assert_eq!((fork.conversation, fork.fork_from), (None, Some(written)));

    let mut signal = store.watch(&id("a")).await.expect("available").expect("there");
    signal.borrow_and_update();
    store.submit(submit(in_session("i", "session-a", WhenBusy::Interrupt))).await.expect("admitted");
    assert!(signal.borrow_and_update().interrupt_requested, "what runs is told");
    let doomed: Vec<_> = store.doomed().await.expect("available");
    let doomed: Vec<_> =
        doomed.into_iter().map(|doomed| (doomed.task.spec.task_id.clone(), doomed.reason)).collect();
    assert_eq!(doomed, [(id("b"), Doom::InterruptRequested)], "what waits is not to run");
    finish_as(store, &first, 2, Ending::Interrupted).await;
    assert_eq!(claim(store, NOW).await.task.spec.task_id, id("i"), "nothing else goes before it");

    finish(store, &fork, 1).await;
    for when_busy in [WhenBusy::Reject, WhenBusy::Interrupt, WhenBusy::Fork] {
        let task = format!("idle-{when_busy:?}");
        let submitted =
            store.submit(submit(in_session(&task, "session-f", when_busy))).await.expect("admitted");
        assert_eq!(submitted.task.session_id, session("session-f"), "it is not busy");
        let claimed = claim(store, NOW).await;
        finish(store, &claimed, 1).await;
    }
}

async fn a_fork_begins_with_a_copy(store: &dyn Store) {
    let fork = |task: &str| TaskSpec { session: SessionChoice::Fork(session("session-a")), ..spec(task) };
    let unknown = store.submit(submit(fork("f"))).await;
    assert_eq!(unknown, Err(SubmitError::SessionUnknown(session("session-a"))));
    let first = submit_and_claim(store, "a").await;
    store.finish(finish_with(id("a"), Some(first.token), 1, Ending::Completed)).await.expect("finished");
    let kept = conversation();
    store.release(release(&first, Some(kept))).await.expect("released");
    store.submit(submit(fork("f"))).await.expect("admitted");
    let forked = claim(store, NOW).await;
    assert_eq!((forked.conversation, forked.fork_from), (None, Some(kept)));
    let copy = conversation();
    let begun = Append { conversation: Some(copy), ..append(&forked, 1..=1) };
    store.append(begun).await.expect("written");
    finish(store, &forked, 2).await;
    store.submit(submit(in_session("g", "session-f", WhenBusy::Enqueue))).await.expect("admitted");
    assert_eq!(claim(store, NOW).await.conversation, Some(copy), "it goes on from the copy");
    store.submit(submit(in_session("b", "session-a", WhenBusy::Enqueue))).await.expect("admitted");
    assert_eq!(claim(store, NOW).await.conversation, Some(kept), "the origin is as it was");
}

async fn a_busy_session_is_not_deleted(store: &dyn Store) {
    let claimed = submit_and_claim(store, "t").await;
    let session = claimed.task.session_id.clone();
    assert_eq!(store.delete_session(&session).await, Err(DeleteError::Busy(vec![id("t")])));
    store.finish(finish_with(id("t"), Some(claimed.token), 1, Ending::Completed)).await.expect("finished");
    assert_eq!(store.delete_session(&session).await, Err(DeleteError::Held));
    let kept = conversation();
    store.release(release(&claimed, Some(kept))).await.expect("released");
    let deleted =
        DeletedSession { id: session.clone(), principal: Principal::default(), conversation: Some(kept) };
    assert_eq!(store.delete_session(&session).await, Ok(deleted));
    assert_eq!(store.delete_session(&session).await, Err(DeleteError::Unknown));
    assert_eq!((store.sessions().await, store.session(&session).await), (Ok(vec![]), Ok(None)));
    assert!(store.task(&id("t")).await.expect("available").is_some(), "its tasks stay readable");
}

async fn sessions_tell_what_they_are(store: &dyn Store) {
    let claimed = submit_and_claim(store, "a").await;
    store.submit(submit(spec("b"))).await.expect("admitted");
    store.submit(submit(in_session("c", "session-a", WhenBusy::Enqueue))).await.expect("admitted");
    let told = |session: &crate::SessionRecord| {
        (session.id.to_string(), session.tasks.clone(), session.status, session.conversation.is_some())
    };
    let sessions = store.sessions().await.expect("available");
    let expected = [
        ("session-a".to_owned(), vec![id("a"), id("c")], SessionStatus::Active, false),
        ("session-b".to_owned(), vec![id("b")], SessionStatus::Idle, false),
    ];
    assert_eq!(sessions.iter().map(told).collect::<Vec<_>>(), expected);
    let begun = Append { conversation: Some(conversation()), ..append(&claimed, 1..=1) };
    store.append(begun).await.expect("written");
    finish(store, &claimed, 2).await;
    let first = store.session(&session("session-a")).await.expect("available").expect("there");
    assert_eq!(told(&first), ("session-a".into(), vec![id("a"), id("c")], SessionStatus::Idle, true));
    assert_eq!(
        store.task(&id("a")).await.expect("available").map(|task| task.status),
        Some(TaskStatus::Completed)
    );
}

async fn a_session_has_nothing_of_an_earlier_one_of_its_name<B: Backend>(mut backend: B) {
    let store = backend.store();
    let claimed = submit_and_claim(&*store, "mine").await;
    let written = Append { conversation: Some(conversation()), ..append(&claimed, 1..=1) };
    store.append(written).await.expect("written");
    finish(&*store, &claimed, 2).await;
    let name = claimed.task.session_id;
    store.delete_session(&name).await.expect("deleted");
    let principal = Principal::parse("somebody").expect("valid");
    let theirs = CreateSession {
        id: name.clone(),
        principal: principal.clone(),
        workspace: Some("/w".into()),
        fork: None,
        now: NOW,
    };
    let made = store.create_session(theirs).await.expect("made");
    assert_eq!((made.tasks.clone(), made.conversation), (vec![], None));
    drop(store);
    backend.reopen().await;
    let store = backend.store();
    assert_eq!(
        (store.session(&name).await, store.sessions().await),
        (Ok(Some(made.clone())), Ok(vec![made]))
    );
    let nothing = Retention { max_tasks: 0, ..Retention::ALL };
    let dropped = Dropped { tasks: 1, ..Dropped::default() };
    assert_eq!(
        store.drop_beyond(&nothing, NOW, None, 10).await,
        Ok(dropped),
        "the session is not what was left"
    );
    let task = TaskSpec { principal, ..in_session("theirs", name.as_str(), WhenBusy::Enqueue) };
    store.submit(submit(task)).await.expect("admitted");
    let found = store.session(&name).await.expect("available").expect("there");
    assert_eq!(found.tasks, [id("theirs")]);
}

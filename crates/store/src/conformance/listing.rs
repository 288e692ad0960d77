//! Lists of tasks, and what people change of them.

use domain::{LabelFilter, Labels, Principal, Priority, TaskStatus};

use super::*;
use crate::{
    ChangeError, CreateSession, CreateSessionError, DeleteError, DeleteTaskError, TaskFilter, TaskOrder,
    TaskQuery,
};

pub(super) async fn run<B: Backend>(new: &impl AsyncFn() -> B) {
    tasks_are_listed_by_what_they_are(&*new().await.store()).await;
    pages_follow_each_other(&*new().await.store()).await;
    what_waits_becomes_urgent(new().await).await;
    what_has_ended_can_be_deleted(new().await).await;
    a_session_is_made_before_its_first_task(new().await).await;
    a_forked_conversation_is_kept_until_the_fork_has_begun(&*new().await.store()).await;
}

fn labels(of: &[(&str, &str)]) -> Labels {
    let mut labels = Labels::default();
    of.iter().for_each(|(key, value)| labels.set(key, value).expect("fits"));
    labels
}

fn query(filter: TaskFilter) -> TaskQuery {
    TaskQuery { filter, order: TaskOrder::OldestFirst, after: None, most: 100 }
}

async fn list(store: &dyn Store, query: &TaskQuery) -> (Vec<String>, Option<u64>) {
    let page = store.tasks(query).await.expect("available");
    (page.tasks.iter().map(|task| task.spec.task_id.to_string()).collect(), page.next)
}

async fn tasks_are_listed_by_what_they_are(store: &dyn Store) {
    let other = Principal::parse("other").expect("valid");
    let specs = [
        TaskSpec { labels: labels(&[("team", "a"), ("kind", "fix")]), ..spec("a") },
        TaskSpec { labels: labels(&[("team", "b")]), workspace: "/x".into(), ..spec("b") },
        TaskSpec { principal: other.clone(), labels: labels(&[("team", "a")]), ..spec("c") },
    ];
    for (place, spec) in (0..).zip(specs) {
        store.submit(Submit { now: after(place), ..submit(spec) }).await.expect("admitted");
    }
    let first = claim(store, after(10)).await;
    finish(store, &first, 1).await;
    store.submit(submit(in_session("d", "session-a", WhenBusy::Enqueue))).await.expect("admitted");
    let label = |text: &str| TaskFilter {
        labels: vec![LabelFilter::parse(text).expect("valid")],
        ..TaskFilter::default()
    };
    let both = TaskFilter {
        labels: [label("team=a").labels, label("kind").labels].concat(),
        ..TaskFilter::default()
    };
    let cases: [(TaskFilter, &[&str]); 11] = [
        (TaskFilter::default(), &["a", "b", "c", "d"]),
        (TaskFilter { principal: Some(other), ..TaskFilter::default() }, &["c"]),
        (TaskFilter { statuses: vec![TaskStatus::Pending], ..TaskFilter::default() }, &["b", "c", "d"]),
        (
            TaskFilter { statuses: vec![TaskStatus::Completed, TaskStatus::Failed], ..TaskFilter::default() },
            &["a"],
        ),
        (TaskFilter { session: Some(session("session-a")), ..TaskFilter::default() }, &["a", "d"]),
        (TaskFilter { workspace: Some("/x".into()), ..TaskFilter::default() }, &["b"]),
        (label("team=a"), &["a", "c"]),
        (label("team"), &["a", "b", "c"]),
        (both, &["a"]),
        (TaskFilter { created_from: Some(after(1)), ..TaskFilter::default() }, &["b", "c"]),
        (TaskFilter { created_before: Some(after(1)), ..TaskFilter::default() }, &["a", "d"]),
    ];
    for (filter, expected) in cases {
        let found = list(store, &query(filter.clone())).await;
        assert_eq!(found, (expected.iter().map(|task| (*task).to_owned()).collect(), None), "{filter:?}");
    }
}

async fn pages_follow_each_other(store: &dyn Store) {
    for task in ["a", "b", "c", "d", "e"] {
        store.submit(submit(spec(task))).await.expect("admitted");
    }
    let walk = async |order: TaskOrder| {
        let (mut pages, mut after) = (Vec::new(), None);
        loop {
            let query = TaskQuery { order, after, most: 2, ..query(TaskFilter::default()) };
            let (page, next) = list(store, &query).await;
            pages.push(page.concat());
            match next {
                Some(next) => after = Some(next),
                None => return pages,
            }
        }
    };
    assert_eq!(walk(TaskOrder::OldestFirst).await, ["ab", "cd", "e"]);
    assert_eq!(walk(TaskOrder::NewestFirst).await, ["ed", "cb", "a"]);
    let all = TaskQuery { most: 5, ..query(TaskFilter::default()) };
    assert_eq!(list(store, &all).await.1, None, "nothing follows");
}

async fn what_waits_becomes_urgent<B: Backend>(mut backend: B) {
    let store = backend.store();
    for task in ["a", "b", "c"] {
        store.submit(submit(spec(task))).await.expect("admitted");
    }
    let urgent = Priority::new(9).expect("valid");
    let changed = store.set_priority(&id("c"), urgent, after(1)).await.expect("changed");
    assert_eq!((changed.spec.schedule.priority, changed.updated_at), (urgent, after(1)));
    assert_eq!(store.task(&id("c")).await.expect("available"), Some(changed));
    drop(store);
    backend.reopen().await;
    let store = backend.store();
    assert_eq!(claim(&*store, NOW).await.task.spec.task_id, id("c"));
    let running = store.set_priority(&id("c"), urgent, NOW).await;
    assert_eq!(running, Err(ChangeError::NotWaiting(TaskStatus::Running)));
    let first = claim(&*store, NOW).await;
    finish(&*store, &first, 1).await;
    let ended = store.set_priority(&id("a"), urgent, NOW).await;
    assert_eq!(ended, Err(ChangeError::NotWaiting(TaskStatus::Completed)));
    assert_eq!(store.set_priority(&id("nobody"), urgent, NOW).await, Err(ChangeError::Unknown));
}

async fn what_has_ended_can_be_deleted<B: Backend>(mut backend: B) {
    let store = backend.store();
    assert_eq!(store.delete_task(&id("t")).await, Err(DeleteTaskError::Unknown));
    store.submit(submit(TaskSpec { labels: labels(&[("k", "v")]), ..spec("t") })).await.expect("admitted");
    assert_eq!(store.delete_task(&id("t")).await, Err(DeleteTaskError::NotEnded(TaskStatus::Pending)));
    let claimed = claim(&*store, NOW).await;
    finish_as(&*store, &claimed, 1, Ending::Failed).await;
    assert_eq!(store.delete_task(&id("t")).await, Ok(()));
    drop(store);
    backend.reopen().await;
    let store = backend.store();
    assert_eq!(store.task(&id("t")).await, Ok(None));
    assert_eq!(store.read(&id("t"), 0).await, Ok(None));
    let labelled =
        TaskFilter { labels: vec![LabelFilter::parse("k=v").expect("valid")], ..TaskFilter::default() };
    assert_eq!(list(&*store, &query(labelled)).await, (vec![], None));
    let left = store.session(&session("session-t")).await.expect("available").expect("it stays");
    assert_eq!(left.tasks, []);
    store.submit(submit(in_session("u", "session-t", WhenBusy::Enqueue))).await.expect("admitted");
}

async fn a_session_is_made_before_its_first_task<B: Backend>(mut backend: B) {
    let store = backend.store();
    let create = |id: &str, fork: Option<&str>| CreateSession {
        id: session(id),
        principal: Principal::default(),
        workspace: fork.is_none().then(|| "/w".into()),
        fork: fork.map(session),
        now: NOW,
    };
    let made = store.create_session(create("s", None)).await.expect("made");
    assert_eq!((made.id, made.tasks), (session("s"), vec![]));
    assert_eq!(store.create_session(create("s", None)).await, Err(CreateSessionError::IdTaken));
    let nothing = CreateSession { workspace: None, ..create("u", None) };
    assert_eq!(store.create_session(nothing).await, Err(CreateSessionError::NoWorkspace));
    let empty = store.create_session(create("u", Some("s"))).await;
    assert_eq!(empty, Err(CreateSessionError::NothingToFork(session("s"))));
    let unknown = store.create_session(create("u", Some("nobody"))).await;
    assert_eq!(unknown, Err(CreateSessionError::ForkUnknown(session("nobody"))));
    let theirs = CreateSession { principal: Principal::parse("x").expect("valid"), ..create("u", Some("s")) };
    assert_eq!(store.create_session(theirs).await, Err(CreateSessionError::ForkUnknown(session("s"))));
    drop(store);
    backend.reopen().await;
    let store = backend.store();
    store.submit(submit(in_session("t", "s", WhenBusy::Reject))).await.expect("admitted");
    assert_eq!(claim(&*store, NOW).await.task.session_id, session("s"));
    let sessions = store.sessions().await.expect("available");
    assert_eq!(
        sessions.into_iter().map(|record| (record.id, record.tasks)).collect::<Vec<_>>(),
        [(session("s"), vec![id("t")])]
    );
}

async fn a_forked_conversation_is_kept_until_the_fork_has_begun(store: &dyn Store) {
    let claimed = submit_and_claim(store, "t").await;
    let (origin, theirs) = (conversation(), session("session-t"));
    store.finish(finish_with(id("t"), Some(claimed.token), 1, Ending::Completed)).await.expect("finished");
    store.release(release(&claimed, Some(origin))).await.expect("released");
    let fork = CreateSession {
        id: session("fork"),
        principal: Principal::default(),
        workspace: None,
        fork: Some(theirs.clone()),
        now: NOW,
    };
    assert_eq!(store.create_session(fork).await.expect("made").workspace, PathBuf::from("/w"));
    let refused = store.delete_session(&theirs).await;
    assert_eq!(refused, Err(DeleteError::Forked(vec![session("fork")])));
    store.submit(submit(in_session("u", "fork", WhenBusy::Enqueue))).await.expect("admitted");
    let claimed = claim(store, NOW).await;
    assert_eq!((claimed.conversation, claimed.fork_from), (None, Some(origin)));
    store.finish(finish_with(id("u"), Some(claimed.token), 1, Ending::Completed)).await.expect("finished");
    store.release(release(&claimed, Some(conversation()))).await.expect("released");
    assert!(store.delete_session(&theirs).await.is_ok());
}

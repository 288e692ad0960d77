use std::time::Duration;

use super::*;

fn entry(task: &str, session: &str, principal: &str, workspace: &str) -> Entry {
    Entry {
        task: TaskId::parse(task).expect("valid"),
        session: SessionId::parse(session).expect("valid"),
        share: Share {
            principal: Principal::parse(principal).expect("valid"),
            workspace: PathBuf::from(workspace),
        },
        priority: Priority::default(),
        max_running: None,
        until: None,
        waits_for: HashSet::new(),
        begun: false,
        doom: None,
    }
}

const NOW: Timestamp = Timestamp::from_millis(1_000);

/// Claims until nothing is left; every claimed task goes on working.
fn order(queue: &mut Queue) -> Vec<String> {
    let mut order = Vec::new();
    while let Some(task) = queue.next(NOW) {
        let entry = queue.remove(&task).expect("it waits");
        queue.set_held(&entry.session, true);
        queue.set_at_work(&entry.share, true);
        order.push(task.to_string());
    }
    order
}

#[test]
fn equals_go_in_the_order_of_their_admission_and_the_urgent_before_them() {
    let mut queue = Queue::default();
    for (number, priority) in [(1, 0), (2, 5), (3, 0), (4, -1), (5, 5)] {
        let priority = Priority::new(priority).expect("valid");
        let name = format!("t{number}");
        queue.insert(number, Entry { priority, ..entry(&name, &name, "p", "/w") });
    }
    assert_eq!(queue.ahead(&TaskId::parse("t3").expect("valid")), Some(3));
    assert_eq!(order(&mut queue), ["t2", "t5", "t1", "t3", "t4"]);
}

#[test]
fn principals_and_then_workspaces_take_turns() {
    let mut queue = Queue::default();
    let tasks =
        [("a1", "a", "/x"), ("a2", "a", "/x"), ("a3", "a", "/y"), ("a4", "a", "/x"), ("b1", "b", "/x")];
    for (number, (task, principal, workspace)) in (1..).zip(tasks) {
        queue.insert(number, entry(task, task, principal, workspace));
    }
    assert_eq!(order(&mut queue), ["a1", "b1", "a3", "a2", "a4"]);
}

#[test]
fn who_has_as_much_at_work_as_it_may_lets_others_go_first() {
    let mut queue = Queue::default();
    let two = NonZeroU32::new(2);
    let (urgent, usual) = (Priority::new(5).expect("valid"), Priority::default());
    let tasks = [("a1", "a", urgent), ("a2", "a", urgent), ("a3", "a", urgent), ("b1", "b", usual)];
    for (number, (task, principal, priority)) in (1..).zip(tasks) {
        let max_running = if principal == "a" { two } else { None };
        queue.insert(number, Entry { priority, max_running, ..entry(task, task, principal, "/w") });
    }
    assert_eq!(order(&mut queue), ["a1", "a2", "b1"]);
    let share = entry("a1", "a1", "a", "/w").share;
    queue.set_at_work(&share, false);
    assert_eq!(order(&mut queue), ["a3"]);
}

#[test]
fn as_many_go_at_once_as_may_and_those_that_have_begun_before_all_others() {
    let mut queue = Queue::default();
    let one = NonZeroU32::new(1);
    queue.insert(1, entry("new", "new", "a", "/w"));
    queue.insert(2, Entry { begun: true, ..entry("begun", "begun", "a", "/w") });
    queue.insert(3, Entry { max_running: one, ..entry("one", "one", "b", "/w") });
    queue.insert(4, Entry { max_running: one, ..entry("other", "other", "b", "/w") });
    queue.insert(5, Entry { until: Some(NOW), ..entry("later", "later", "a", "/w") });
    queue.insert(6, entry("second", "new", "a", "/w"));
    let expected = [(9, 3, 2), (2, 2, 1), (1, 1, 0), (0, 0, 0)];
    for (free, all, not_begun) in expected {
        assert_eq!(queue.going(free), Going { all, not_begun }, "{free} are free");
    }
}

#[test]
fn a_session_runs_one_task_at_a_time_in_order_whatever_their_priorities() {
    let mut queue = Queue::default();
    queue.insert(1, entry("one", "s", "p", "/w"));
    queue.insert(2, Entry { priority: Priority::new(9).expect("valid"), ..entry("two", "s", "p", "/w") });
    assert_eq!(order(&mut queue), ["one"]);
    queue.set_held(&SessionId::parse("s").expect("valid"), false);
    assert_eq!(order(&mut queue), ["two"]);
}

#[test]
fn a_delayed_task_lets_others_of_its_session_go_but_one_that_has_begun_does_not() {
    let later = NOW.after(Duration::from_secs(1));
    let mut queue = Queue::default();
    queue.insert(1, Entry { until: Some(later), ..entry("delayed", "s", "p", "/w") });
    queue.insert(2, entry("ready", "s", "p", "/w"));
    queue.insert(3, Entry { until: Some(later), begun: true, ..entry("parked", "r", "p", "/w") });
    queue.insert(4, entry("behind", "r", "p", "/w"));
    assert_eq!((queue.next_time(), queue.not_begun(), queue.len()), (Some(later), 3, 4));
    assert_eq!(order(&mut queue), ["ready"]);
    queue.set_held(&SessionId::parse("s").expect("valid"), false);
    assert_eq!(queue.next(later).map(|task| task.to_string()), Some("delayed".into()));
    queue.remove(&TaskId::parse("delayed").expect("valid"));
    assert_eq!(queue.next(later).map(|task| task.to_string()), Some("parked".into()));
}

#[test]
fn a_task_goes_when_what_it_depends_on_has_completed_and_is_doomed_when_that_failed() {
    let id = |text: &str| TaskId::parse(text).expect("valid");
    let mut queue = Queue::default();
    let waits_for = HashSet::from([id("x"), id("y")]);
    queue.insert(1, Entry { waits_for: waits_for.clone(), ..entry("both", "a", "p", "/w") });
    queue.insert(2, Entry { waits_for, ..entry("fails", "b", "p", "/w") });
    queue.dependency_ended(&id("x"), None);
    assert!(order(&mut queue).is_empty() && queue.is_needed(&id("y")));
    queue.remove(&id("fails"));
    queue.dependency_ended(&id("y"), None);
    assert_eq!(order(&mut queue), ["both"]);
    queue.insert(3, Entry { waits_for: HashSet::from([id("z")]), ..entry("doomed", "c", "p", "/w") });
    let doom = Doom::DependencyEnded(id("z"), domain::TaskStatus::Failed);
    queue.dependency_ended(&id("z"), Some(&doom));
    assert!(order(&mut queue).is_empty());
    assert_eq!(queue.doomed().collect::<Vec<_>>(), [(&id("doomed"), &doom)]);
}

#[test]
fn nothing_is_kept_of_tasks_that_are_gone() {
    let mut queue = Queue::default();
    for number in 1..=100 {
        let name = format!("t{number}");
        queue.insert(number, entry(&name, &name, "p", "/w"));
    }
    for number in 1..=100 {
        queue.remove(&TaskId::parse(&format!("t{number}")).expect("valid"));
    }
    assert_eq!((queue.len(), queue.not_begun(), queue.lanes.len()), (0, 0, 0));
    assert_eq!(queue.next(NOW), None);
}

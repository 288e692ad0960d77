//! What a warden does, with a server that a test plays.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::*;

/// Agents that count how often they were ended.
#[derive(Default)]
struct Counted {
    stay: AtomicBool,
    looks: AtomicU32,
    ended: AtomicU32,
    first: watch::Sender<Option<Duration>>,
}

impl Agents for Counted {
    fn are_left(&self) -> bool {
        self.looks.fetch_add(1, Ordering::Relaxed);
        self.stay.load(Ordering::Relaxed)
    }

    fn end(&self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
        self.first.send_if_modified(|first| first.is_none() && first.replace(boot_time()).is_none());
    }
}

impl Counted {
    fn ended(&self) -> u32 {
        self.ended.load(Ordering::Relaxed)
    }
}

fn watching(
    until: Duration,
) -> (Arc<Counted>, watch::Sender<Told>, impl Future<Output = Ending> + Send + 'static) {
    let (sender, told) = watch::channel(Told::Until(until));
    let agents = Arc::<Counted>::default();
    let watched = Arc::clone(&agents);
    (agents, sender, async move { watch_over(told, &*watched).await })
}

#[tokio::test]
async fn agents_are_ended_for_as_long_as_the_time_is_over_and_once_the_server_was_killed() {
    let due = boot_time() + Duration::from_millis(100);
    let (agents, server, watching) = watching(due);
    let mut at = agents.first.subscribe();
    let watching = tokio::spawn(watching);
    let first = at.wait_for(Option::is_some).await.expect("it watches").expect("counted");
    assert!(first >= due, "{first:?} is before {due:?}");
    // Looked for again, though nobody says anything.
    while agents.ended() < 2 {
        tokio::task::yield_now().await;
    }
    server.send_replace(Told::Until(boot_time() + Duration::from_secs(60)));
    tokio::task::yield_now().await;
    let before = agents.ended();
    drop(server);
    assert_eq!(watching.await.expect("no panic"), Ending::Killed);
    assert_eq!(agents.ended(), before + 1);
}

#[tokio::test]
async fn who_stays_long_after_the_death_of_the_server_is_ended_and_who_leaves_is_not_waited_for() {
    let (agents, server, watching) = watching(Duration::MAX);
    agents.stay.store(true, Ordering::Relaxed);
    let began = boot_time();
    drop(server);
    assert_eq!(watching.await, Ending::Killed);
    assert!(boot_time() - began >= AGENTS_LEAVE_WITHIN);
    assert!(agents.looks.load(Ordering::Relaxed) > 1);
    assert_eq!(agents.ended(), 1);

    let (agents, server, watching) = self::watching(Duration::MAX);
    drop(server);
    assert_eq!(watching.await, Ending::Killed);
    assert_eq!((agents.looks.load(Ordering::Relaxed), agents.ended()), (1, 1));
}

#[tokio::test]
async fn a_server_that_ends_in_order_leaves_nothing_to_end() {
    let (agents, server, watching) = watching(Duration::MAX);
    server.send_replace(Told::NoneIsLeft);
    drop(server);
    assert_eq!(watching.await, Ending::InOrder);
    assert_eq!((agents.looks.load(Ordering::Relaxed), agents.ended()), (0, 0));
}

#[test]
fn the_words_of_the_pipe_are_times_but_for_one() {
    assert_eq!(Told::of(NONE_IS_LEFT), Told::NoneIsLeft);
    assert_eq!(Told::of(1_500), Told::Until(Duration::from_millis(1_500)));
    assert_eq!(Told::of(millis(Duration::MAX)), Told::Until(Duration::from_millis(u64::MAX)));
}

//! What a warden does, with a server that a test plays.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// Agents that count how often they were ended, which are left behind as well.
#[derive(Clone, Default)]
struct Counted {
    stay: bool,
    looks: Arc<AtomicU32>,
    ended: Arc<AtomicU32>,
    first: Arc<watch::Sender<Option<Duration>>>,
}

impl Agents for Counted {
    type Left = Self;

    fn end(&self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
        self.first.send_if_modified(|first| first.is_none() && first.replace(boot_time()).is_none());
    }

    fn left(&self) -> Self {
        self.clone()
    }
}

impl Left for Counted {
    fn lives(&mut self) -> bool {
        self.looks.fetch_add(1, Ordering::Relaxed);
        self.stay
    }

    fn end(self) {
        Agents::end(&self);
    }
}

impl Counted {
    fn staying() -> Self {
        Self { stay: true, ..Self::default() }
    }

    fn looks(&self) -> u32 {
        self.looks.load(Ordering::Relaxed)
    }

    fn ended(&self) -> u32 {
        self.ended.load(Ordering::Relaxed)
    }

    fn first_ended(&self) -> Duration {
        self.first.borrow().expect("ended")
    }
}

#[tokio::test]
async fn agents_are_ended_for_as_long_as_the_time_is_over_and_once_the_server_was_killed() {
    let due = boot_time() + Duration::from_millis(100);
    let (server, told) = watch::channel(Told::Until(due));
    let agents = Counted::default();
    let mut at = agents.first.subscribe();
    let watched = agents.clone();
    let watching = tokio::spawn(async move { watch_over(told, &watched).await });
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
    watching.await.expect("no panic");
    assert_eq!(agents.ended(), before + 1);
}

/// What becomes of agents whose server was killed when their lease had so long to go.
async fn bereaved(agents: Counted, lease: Duration) -> (Counted, Duration) {
    let (server, told) = watch::channel(Told::Until(lease));
    let died = boot_time();
    drop(server);
    watch_over(told, &agents).await;
    let after = agents.first_ended() - died;
    (agents, after)
}

#[tokio::test]
async fn who_stays_long_after_the_death_of_the_server_is_ended_and_who_leaves_is_not_waited_for() {
    let (agents, after) = bereaved(Counted::staying(), Duration::MAX).await;
    assert!(after >= AGENTS_LEAVE_WITHIN, "{after:?}");
    assert!(agents.looks() > 1);
    assert_eq!(agents.ended(), 1);
    let (agents, _) = bereaved(Counted::default(), Duration::MAX).await;
    assert_eq!((agents.looks(), agents.ended()), (1, 1));
}

#[tokio::test]
async fn who_stays_is_not_waited_for_beyond_the_lease() {
    let ends = boot_time() + Duration::from_millis(300);
    let (agents, after) = bereaved(Counted::staying(), ends).await;
    assert!(agents.first_ended() >= ends && after < AGENTS_LEAVE_WITHIN, "{after:?}");
    assert_eq!(agents.ended(), 1);
}

#[tokio::test]
async fn a_server_that_ends_in_order_is_not_waited_for() {
    let (server, told) = watch::channel(Told::Until(Duration::MAX));
    server.send_replace(Told::NoneIsLeft);
    drop(server);
    let agents = Counted::staying();
    watch_over(told, &agents).await;
    assert_eq!((agents.looks(), agents.ended()), (0, 1));
}

#[test]
fn the_words_of_the_pipe_are_times_but_for_two() {
    assert_eq!(Told::of(NONE_IS_LEFT), Told::NoneIsLeft);
    assert_eq!(Told::of(1_500), Told::Until(Duration::from_millis(1_500)));
    assert_eq!(Told::of(millis(Duration::MAX)), Told::Until(Duration::MAX));
}

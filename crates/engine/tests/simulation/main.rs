//! The engine in a simulated world: mock clock, scripted agents, a store that survives crashes, random commands.
//!
//! A seed decides everything. A seed that fails is named, and `SIMULATION_SEED=<seed> cargo test -p engine --test
//! simulation` plays it again, alone. `SIMULATION_SEEDS=<count>` plays more than usual.
#![expect(clippy::expect_used, reason = "tests fail by panicking")]

mod client;
mod dice;
mod world;

use std::sync::Arc;
use std::time::Duration;

use domain::{Clock, Timestamp};
use engine::{Engine, Settings};
use store::{CoreSettings, MemoryStore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use client::Client;
use dice::Dice;
use world::{Agents, World};

/// Seeds of an ordinary run.
const SEEDS: u64 = 2_000;
const MOST_AGENTS: usize = 3;

/// Time goes on from life to life, and within one as the runtime's does.
struct SimulatedClock {
    base: Timestamp,
    since: Instant,
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        self.base.after(self.since.elapsed())
    }
}

fn settings(dice: &mut Dice) -> Settings {
    Settings {
        max_agents: MOST_AGENTS,
        max_pending: 20,
        idle_timeout: Duration::from_secs(dice.below(3) * 20),
        cleanup_interval: Duration::from_secs(10),
        stall_after: Duration::from_secs(60),
        ..Settings::default()
    }
}

/// One life of a server: it starts, gets commands, and crashes or, as the last one, runs until nothing is left to do.
fn live(
    dice: &mut Dice,
    store: Arc<MemoryStore>,
    world: &Arc<World>,
    client: &mut Client,
    base: Timestamp,
    last: bool,
) -> Timestamp {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime");
    let end = runtime.block_on(async {
        let clock = Arc::new(SimulatedClock { base, since: Instant::now() });
        let agents = Arc::new(Agents(Arc::clone(world)));
        let engine = Engine::start(
            settings(dice),
            store.clone(),
            agents,
            clock.clone(),
            Arc::default(),
            telemetry::Traces::default(),
        );
        let engine = engine.await.expect("memory");
        let handle = engine.handle();
        client.connect(&handle).await;
        for _ in 0..dice.below(30) {
            client.act(dice, &handle, &store, clock.now()).await;
        }
        if last {
            client.settle(&handle).await;
            client.check(&handle, world).await;
            engine.shut_down(CancellationToken::new()).await;
            assert_eq!(world.alive(), 0, "agents are left");
        }
        client.disconnect().await;
        clock.now()
    });
    // What still runs is cut off here, as by kill -9.
    drop(runtime);
    assert_eq!(world.alive(), 0, "agents outlive their server");
    end
}

fn play(seed: u64) {
    let mut dice = Dice::new(seed);
    let world = Arc::new(World::default());
    let mut client = Client::default();
    let settings = CoreSettings { notice: engine::status_notice, ..CoreSettings::default() };
    let mut store = Arc::new(MemoryStore::playing_durable(settings));
    let mut now = Timestamp::from_millis(1_000_000);
    let lives = 1 + dice.below(4);
    for life in 1..=lives {
        now = live(&mut dice, Arc::clone(&store), &world, &mut client, now, life == lives);
        store = Arc::new(store.reopened().expect("memory"));
    }
    let faults = world.faults();
    assert!(faults.is_empty(), "{faults:#?}");
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn random_commands_crashes_and_timeouts_break_no_promise() {
    if let Some(seed) = number("SIMULATION_SEED") {
        return play(seed);
    }
    let seeds = number("SIMULATION_SEEDS").unwrap_or(SEEDS);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || (thread as u64..seeds).step_by(threads).for_each(play_or_tell));
        }
    });
}

fn play_or_tell(seed: u64) {
    let played = std::panic::catch_unwind(|| play(seed));
    assert!(played.is_ok(), "the output above is of SIMULATION_SEED={seed}");
}

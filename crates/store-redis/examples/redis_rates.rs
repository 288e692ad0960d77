//! Measures the store on a Redis of its own: what it takes in, how fast it reads back and wakes up, and what that costs Redis.
//!
//! `cargo run --release -p store-redis --example redis_rates [no|everysec|always]`

#![expect(clippy::print_stdout, reason = "a program for people")]

#[path = "../src/tests/server.rs"]
#[expect(clippy::expect_used, dead_code, reason = "made for tests")]
mod server;

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BufMut;
use store::conformance::{NOW, append, finish, id, spec, submit, submit_and_claim, ticket};
use store::{Append, BatchBuilder, Claim, Claimed, EventBatch, Store};
use store_redis::{RedisSettings, RedisStore};

use self::server::Server;

type Outcomes<T> = Result<T, Box<dyn Error + Send + Sync>>;

const EVENT: usize = 512;
const PAYLOAD: [u8; EVENT] = [b'x'; EVENT];

#[tokio::main]
async fn main() -> Outcomes<()> {
    let fsync = match std::env::args().nth(1).as_deref() {
        Some("no") => "no",
        Some("always") => "always",
        _ => "everysec",
    };
    let server = Server::start(fsync);
    println!("appendfsync {fsync}, events of {EVENT} bytes, a unix socket");
    let (one, two) = (open(&server).await?, open(&server).await?);
    submits(&one, 1, 2_000).await?;
    submits(&one, 32, 20_000).await?;
    for (tasks, batch, events) in
        [(1, 1, 20_000), (200, 1, 100_000), (1, 16, 100_000), (200, 16, 200_000), (200, 256, 200_000)]
    {
        appends(&server, &one, tasks, batch, events).await?;
    }
    latency(&one).await?;
    wake_ups(&one, &two).await?;
    replay(&one).await
}

async fn open(server: &Server) -> Outcomes<Arc<RedisStore>> {
    let settings = RedisSettings { url: Some(server.url().into()), ..RedisSettings::default() };
    Ok(Arc::new(RedisStore::open(settings).await?))
}

/// Submissions, and then claims and ends of what was submitted.
async fn submits(store: &Arc<RedisStore>, callers: usize, count: usize) -> Outcomes<()> {
    let begun = Instant::now();
    let work = (0..callers).map(|caller| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            let mut times = Vec::new();
            for number in 0..count / callers {
                let command = store::Submit {
                    max_pending: 1_000_000,
                    max_at_work: 0,
                    ..submit(spec(&format!("s{callers}-{caller}-{number}")))
                };
                let begun = Instant::now();
                store.submit(command).await?;
                times.push(begun.elapsed());
            }
            Outcomes::Ok(times)
        })
    });
    let mut times = Vec::new();
    for work in work.collect::<Vec<_>>() {
        times.extend(work.await??);
    }
    println!("submit, {callers} callers: {} /s, {}", rate(times.len(), begun.elapsed()), spread(&mut times));
    let (begun, mut claims) = (Instant::now(), Vec::new());
    loop {
        let claimed = Instant::now();
        let Claim::Task(task) = store.claim(ticket(), NOW).await? else { break };
        claims.push(claimed.elapsed());
        finish(&**store, &task, 1).await;
    }
    let took = begun.elapsed();
    println!(
        "  claim, end and release, one by one: {} /s; claim {}",
        rate(claims.len(), took),
        spread(&mut claims)
    );
    Ok(())
}

async fn appends(
    server: &Server,
    store: &Arc<RedisStore>,
    tasks: usize,
    batch: u64,
    events: u64,
) -> Outcomes<()> {
    let mut claimed = Vec::new();
    for task in 0..tasks {
        claimed.push(submit_and_claim(&**store, &format!("a{batch}-{tasks}-{task}")).await);
    }
    let before = Costs::of(server);
    let begun = Instant::now();
    let each = events / tasks as u64 / batch;
    let work = claimed.iter().cloned().map(|claimed| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            let mut times = Vec::new();
            for number in 0..each {
                let begun = Instant::now();
                store.append(sized(&claimed, number * batch + 1, batch)).await?;
                times.push(begun.elapsed());
            }
            Outcomes::Ok(times)
        })
    });
    let mut times = Vec::new();
    for work in work.collect::<Vec<_>>() {
        times.extend(work.await??);
    }
    let took = begun.elapsed();
    let count = each * batch * tasks as u64;
    println!(
        "append, {tasks} tasks, {batch} events a batch: {} events/s, {}",
        rate(usize::try_from(count)?, took),
        spread(&mut times)
    );
    println!("  {}", Costs::of(server).since(&before, count));
    for claimed in claimed {
        finish(&**store, &claimed, each * batch + 1).await;
    }
    Ok(())
}

/// Commits at a pace that leaves Redis idle in between.
async fn latency(store: &RedisStore) -> Outcomes<()> {
    let claimed = submit_and_claim(store, "latency").await;
    let mut ticks = tokio::time::interval(Duration::from_millis(1));
    let mut times = Vec::new();
    for seq in 1..=2_000 {
        ticks.tick().await;
        let begun = Instant::now();
        store.append(sized(&claimed, seq, 1)).await?;
        times.push(begun.elapsed());
    }
    println!("append at 1,000 a second: {}", spread(&mut times));
    Ok(())
}

/// From the beginning of a commit on one server until a reader of another has the event, and until an interrupt is heard.
async fn wake_ups(one: &RedisStore, two: &RedisStore) -> Outcomes<()> {
    let claimed = submit_and_claim(one, "watched").await;
    let mut signal = two.watch(&id("watched")).await?.ok_or("it is not there")?;
    let mut times = Vec::new();
    for seq in 1..=1_000 {
        let begun = Instant::now();
        one.append(sized(&claimed, seq, 1)).await?;
        drop(signal.wait_for(|signal| signal.tail == seq).await?);
        let page = two.read(&id("watched"), seq - 1).await?.ok_or("it is gone")?;
        times.push(begun.elapsed());
        if page.events.len() != 1 {
            return Err("the event is not there".into());
        }
    }
    println!("from an append on one server to its reader on another: {}", spread(&mut times));
    let mut owner = one.watch(&id("watched")).await?.ok_or("it is not there")?;
    let begun = Instant::now();
    two.request_interrupt(&id("watched"), NOW).await?;
    drop(owner.wait_for(|signal| signal.interrupt_requested).await?);
    println!("from an interrupt on another server to the owner: {:.1?}", begun.elapsed());
    Ok(())
}

async fn replay(store: &RedisStore) -> Outcomes<()> {
    for batch in [16, 250] {
        let name = format!("replayed-{batch}");
        let claimed = submit_and_claim(store, &name).await;
        for number in 0..100_000 / batch {
            store.append(sized(&claimed, number * batch + 1, batch)).await?;
        }
        let (begun, mut after) = (Instant::now(), 0);
        while let Some(page) = store.read(&id(&name), after).await?
            && let Some(last) = page.events.last()
        {
            after = last.seq;
        }
        let rate = rate(usize::try_from(after)?, begun.elapsed());
        println!("replay of {after} events, written {batch} a batch: {rate} events/s");
    }
    Ok(())
}

fn sized(claimed: &Claimed, first: u64, count: u64) -> Append {
    let mut events = BatchBuilder::new(first);
    for _ in 0..count {
        events.push(|bytes| bytes.put_slice(&PAYLOAD));
    }
    let events: EventBatch = events.take();
    Append { events, ..append(claimed, 1..=1) }
}

/// What Redis has done so far.
struct Costs {
    calls: u64,
    input: u64,
    output: u64,
    busy: u64,
}

impl Costs {
    fn of(server: &Server) -> Self {
        let stats = server.info("stats");
        Self {
            calls: server.calls_of("evalsha"),
            input: counter(&stats, "total_net_input_bytes:"),
            output: counter(&stats, "total_net_output_bytes:"),
            busy: time_of_scripts(&server.info("commandstats")),
        }
    }

    fn since(&self, before: &Self, events: u64) -> String {
        let each = |now: u64, then: u64| now.saturating_sub(then) as f64 / events as f64;
        format!(
            "an event: {:.3} script calls, {:.0} bytes in, {:.0} bytes out, {:.1} us of Redis",
            each(self.calls, before.calls),
            each(self.input, before.input),
            each(self.output, before.output),
            each(self.busy, before.busy)
        )
    }
}

fn counter(text: &str, name: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    value.and_then(|value| value.trim().parse().ok()).unwrap_or_default()
}

/// Microseconds that Redis has spent in scripts.
fn time_of_scripts(text: &str) -> u64 {
    let line = text.lines().find(|line| line.starts_with("cmdstat_evalsha:")).unwrap_or_default();
    let time = line.split(',').find_map(|part| part.strip_prefix("usec="));
    time.and_then(|time| time.parse().ok()).unwrap_or_default()
}

fn rate(count: usize, time: Duration) -> u128 {
    count as u128 * 1_000_000 / time.as_micros().max(1)
}

fn spread(times: &mut [Duration]) -> String {
    times.sort();
    let at = |share: usize| times.get(times.len() * share / 1000).copied().unwrap_or_default();
    format!(
        "p50 {:.0?}, p99 {:.0?}, most {:.1?}",
        at(500),
        at(990),
        times.last().copied().unwrap_or_default()
    )
}

//! How long does `/health` take while tasks stream and subscribers listen?
//! `cargo run --release -p testing --example health_times -- target/release/claude-code-server [tasks] [subscribers] [events/s a task] [seconds]`
//!
//! Subscribers and the caller share the machine with the server. The same is measured before and under load.
#![expect(clippy::expect_used, clippy::print_stdout, reason = "a measuring program")]

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use testing::{FastStream, Server, ServerBuilder};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

const EVENT_BYTES: usize = 400;
const ASK_EVERY: Duration = Duration::from_millis(20);

/// Asks until the time is up; gives the answers' times in milliseconds, shortest first.
async fn ask(server: &Server, time: Duration) -> Vec<f64> {
    let (mut times, start) = (Vec::new(), Instant::now());
    let mut tick = interval(ASK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while start.elapsed() < time {
        tick.tick().await;
        let asked = Instant::now();
        let (status, health) = server.get("/health").await;
        times.push(asked.elapsed().as_secs_f64() * 1e3);
        assert_eq!((status, &health["status"]), (200, &json!("healthy")));
    }
    times.sort_by(f64::total_cmp);
    times
}

fn tell(name: &str, times: &[f64]) {
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    println!(
        "{name:<12} {:>5} answers: p50 {:.2} ms, p95 {:.2} ms, p99 {:.2} ms, longest {:.2} ms",
        times.len(),
        at(50),
        at(95),
        at(99),
        at(100)
    );
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let binary = arguments.next().expect("the server's binary as first argument");
    let binary = Path::new(&binary).canonicalize().expect("the binary is there").display().to_string();
    let mut number = |usual: u64| arguments.next().map_or(usual, |text| text.parse().expect("a number"));
    let (tasks, subscribers, rate, seconds) = (number(16), number(500), number(100), number(20));
    let server = ServerBuilder::stub(&binary)
        .variable("SESSION_MAX_CONCURRENT", &tasks.to_string())
        .variable("SERVER_LOG_LEVEL", "info")
        .start()
        .await;
    tell("idle", &ask(&server, Duration::from_secs(5)).await);
    for task in 0..tasks {
        let workspace = server.workspace(&format!("w{task}"));
        let prompt = format!("rate {rate} {EVENT_BYTES} {}", seconds + 5);
        server
            .submit(&json!({"task_id": format!("t{task}"), "prompt": prompt, "workspace": workspace}))
            .await;
    }
    let mut reading = JoinSet::new();
    for subscriber in 0..subscribers {
        let stream = FastStream::open(&server, &format!("t{}", subscriber % tasks), "").await;
        reading.spawn(stream.finish());
    }
    tell("under load", &ask(&server, Duration::from_secs(seconds)).await);
    let events: u64 = reading.join_all().await.into_iter().sum();
    println!("{events} events were delivered to {subscribers} subscribers of {tasks} tasks");
    server.terminate();
    server.ended().await;
}

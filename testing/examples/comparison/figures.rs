//! The figures.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use testing::cpu_time;
use tokio::time::sleep;

use crate::reader::read;
use crate::service::{Agent, Kind, Service};

/// Bytes of a text whose event is 512 bytes on the agent's stdout.
const TEXT_BYTES: usize = 96;
const SUBMISSIONS_ALONE: usize = 200;
const SUBMISSIONS_AT_ONCE: usize = 640;
const AT_ONCE: usize = 32;
const INTERRUPTS: usize = 5;
const REAL_TASKS: usize = 5;
/// Before its memory is read, or an agent at work is interrupted.
const SETTLE: Duration = Duration::from_millis(500);

/// Figures by name; the name ends with the unit.
pub(crate) type Figures = BTreeMap<&'static str, f64>;

/// The value that so many in a hundred do not exceed, by nearest rank.
fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[(values.len() * percent).div_ceil(100).max(1) - 1]
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn proportional_mib(pid: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("it runs");
    let line = text.lines().find(|line| line.starts_with("Pss:")).expect("a share");
    let kib: f64 = line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number");
    kib / 1024.0
}

/// Measures a service with the stub agent. `burst` is how many events one task says at full speed.
pub(crate) async fn with_stub(kind: &Kind, model_url: &str, burst: u64) -> Figures {
    let service = kind.start(Agent::Stub, model_url).await;
    let mut figures = Figures::from([("start_ms", millis(service.ready_after))]);
    sleep(SETTLE).await;
    figures.insert("idle_pss_mib", proportional_mib(service.pid()));
    submissions(&service, &mut figures).await;
    full_speed(&service, burst, &mut figures).await;
    latency(&service, &mut figures).await;
    interrupts(&service, "interrupt_streaming_p50_ms", "rate 1000 96 60", &mut figures).await;
    interrupts(&service, "interrupt_flooding_p50_ms", "emit 1000000000 96", &mut figures).await;
    service.end().await;
    figures
}

async fn submissions(service: &Service, figures: &mut Figures) {
    let mut alone = Vec::new();
    for number in 0..SUBMISSIONS_ALONE {
        let id = format!("alone-{number}");
        alone.push(millis(service.submit(&id, "say hi").await));
        read(service, &id, false).await;
    }
    let submit = |number: usize| async move { service.submit(&format!("many-{number}"), "say hi").await };
    let times = stream::iter(0..SUBMISSIONS_AT_ONCE).map(submit).buffer_unordered(AT_ONCE);
    let mut many: Vec<_> = times.map(millis).collect().await;
    for number in 0..SUBMISSIONS_AT_ONCE {
        read(service, &format!("many-{number}"), false).await;
    }
    for (names, times) in [
        (["submit_c1_p50_ms", "submit_c1_p99_ms"], &mut alone),
        (["submit_c32_p50_ms", "submit_c32_p99_ms"], &mut many),
    ] {
        figures.insert(names[0], percentile(times, 50));
        figures.insert(names[1], percentile(times, 99));
    }
}

async fn full_speed(service: &Service, burst: u64, figures: &mut Figures) {
    let cpu = cpu_time(service.pid());
    service.submit("burst", &format!("emit {burst} {TEXT_BYTES}")).await;
    let read = read(service, "burst", false).await;
    let cpu = cpu_time(service.pid()) - cpu;
    assert!(read.events > burst, "{} events of {burst}", read.events);
    let seconds = read.last.duration_since(read.first).as_secs_f64();
    figures.insert("one_task_events_per_second", burst as f64 / seconds);
    figures.insert("cpu_seconds_per_100k_events", cpu.as_secs_f64() * 1e5 / burst as f64);
}

async fn latency(service: &Service, figures: &mut Figures) {
    service.submit("rate", &format!("rate 1000 {TEXT_BYTES} 6")).await;
    let read = read(service, "rate", true).await;
    // What was said before the reader came does not count.
    let mut took: Vec<_> = read.took.into_iter().skip(500).map(millis).collect();
    assert!(took.len() > 5_000, "{} events with a time", took.len());
    figures.insert("agent_to_client_p50_ms", percentile(&mut took, 50));
    figures.insert("agent_to_client_p99_ms", percentile(&mut took, 99));
}

async fn interrupts(service: &Service, name: &'static str, prompt: &str, figures: &mut Figures) {
    let mut times = Vec::new();
    for number in 0..INTERRUPTS {
        let id = format!("{name}-{number}");
        service.submit(&id, prompt).await;
        let interrupting = async {
            sleep(SETTLE).await;
            let asked = Instant::now();
            service.interrupt(&id).await;
            asked
        };
        let (read, asked) = tokio::join!(read(service, &id, false), interrupting);
        assert!(read.complete.contains("\"interrupted\""), "{}", read.complete);
        times.push(millis(read.last.duration_since(asked)));
    }
    figures.insert(name, percentile(&mut times, 50));
}

/// Measures whole tasks of the real CLI, each with a process of its own.
pub(crate) async fn with_real_cli(kind: &Kind, model_url: &str) -> Figures {
    let service = kind.start(Agent::Real, model_url).await;
    let mut times = Vec::new();
    for number in 0..REAL_TASKS {
        let id = format!("real-{number}");
        let began = Instant::now();
        service.submit(&id, &format!("[[say {id}]]")).await;
        let read = read(&service, &id, false).await;
        assert!(read.complete.contains("\"completed\"") && read.complete.contains(&id), "{}", read.complete);
        times.push(millis(read.last.duration_since(began)));
    }
    service.end().await;
    Figures::from([("real_cli_task_p50_ms", percentile(&mut times, 50))])
}

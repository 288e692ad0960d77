//! Times the road of one task through the real CLI, and weighs its processes:
//! `cargo run --release -p testing --example road_times -- target/release/claude-code-server [runs]`
#![expect(clippy::expect_used, clippy::print_stdout, reason = "a measuring program")]

use std::path::Path;
use std::time::{Duration, Instant};

use scripted_model::{Options, ScriptedModel};
use serde_json::json;
use testing::{Server, ServerBuilder, wait_until_none_mention, which_mention};

/// Milliseconds since the submission.
#[derive(Default)]
struct Times {
    answer: Vec<f64>,
    model_request: Vec<f64>,
    first_event: Vec<f64>,
    complete: Vec<f64>,
}

fn kib(pid: u32, field: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(field)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn row(name: &str, mut values: Vec<f64>) {
    values.sort_by(f64::total_cmp);
    let middle = values.get(values.len() / 2).copied().unwrap_or_default();
    let (min, max) =
        (values.first().copied().unwrap_or_default(), values.last().copied().unwrap_or_default());
    println!("{name:<34} median {middle:>8.1}   min {min:>8.1}   max {max:>8.1}");
}

fn since(start: Instant, end: Instant) -> f64 {
    end.duration_since(start).as_secs_f64() * 1000.0
}

async fn run_once(server: &Server, model: &ScriptedModel, number: usize, times: &mut Times) {
    let id = format!("run-{number}");
    let prompt = format!("[[write {id}.txt x]] [[say done {id}]]");
    let body = json!({"task_id": id, "prompt": prompt, "workspace": server.workspace(&id)});
    let mut stream = server.stream(&id, "").await;
    let start = Instant::now();
    server.submit(&body).await;
    times.answer.push(since(start, Instant::now()));
    let first = async {
        stream.next().await.expect("an event");
        Instant::now()
    };
    let asked = model.wait_for_request(|request| {
        request.last_user_text.contains(&format!("write {id}.txt")) && !request.tools.is_empty()
    });
    let (first, asked) = tokio::join!(first, asked);
    times.first_event.push(since(start, first));
    times.model_request.push(since(start, asked.at));
    stream.finish().await;
    times.complete.push(since(start, Instant::now()));
    wait_until_none_mention(&server.agents_folder(), Duration::from_secs(10)).await;
}

async fn weigh(server: &Server) {
    let body = json!({"task_id": "weigh", "prompt": "[[write a.txt x]] [[hang]]", "workspace": server.workspace("weigh")});
    server.submit(&body).await;
    let mut stream = server.stream("weigh", "").await;
    stream.wait_for("the file", |event| event["type"] == "tool_result").await;
    println!("server: RSS {} KiB", kib(server.pid(), "Rss"));
    for pid in which_mention(&server.agents_folder()) {
        let (rss, pss, dirty) = (kib(pid, "Rss"), kib(pid, "Pss:"), kib(pid, "Private_Dirty"));
        println!("agent {pid}: RSS {rss} KiB, PSS {pss} KiB, private dirty {dirty} KiB");
    }
    let asked = Instant::now();
    server.post("/api/v1/tasks/weigh/interrupt", &json!({})).await;
    println!("interrupt of a waiting turn: {:.1} ms from POST to answer", since(asked, Instant::now()));
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let binary = arguments.next().expect("the server's binary as first argument");
    let binary = Path::new(&binary).canonicalize().expect("the binary is there").display().to_string();
    let runs = arguments.next().map_or(9, |runs| runs.parse().expect("a number of runs"));
    let model = ScriptedModel::start(Options::default()).await.expect("a model");
    let server = ServerBuilder::bare(&binary)
        .variable("CLAUDE_API_KEY", "dummy")
        .variable("CLAUDE_BASE_URL", &model.base_url())
        .variable("SERVER_LOG_LEVEL", "info")
        // Each run waits until the agent of the one before is gone.
        .variable("SESSION_IDLE_TIMEOUT_SECONDS", "0")
        .start()
        .await;
    println!("server idle: RSS {} KiB", kib(server.pid(), "Rss"));
    let mut times = Times::default();
    run_once(&server, &model, runs, &mut Times::default()).await;
    for number in 0..runs {
        run_once(&server, &model, number, &mut times).await;
    }
    println!("{runs} runs one after the other, after one that does not count; milliseconds from POST");
    row("POST answered", times.answer);
    row("first model request", times.model_request);
    row("first event at the subscriber", times.first_event);
    row("complete at the subscriber", times.complete);
    weigh(&server).await;
    server.terminate();
    server.ended().await;
    model.shutdown().await;
}

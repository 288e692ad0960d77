//! Many sessions on few agents: each has a first task, and, when all have had theirs, a second one that has to recall it.
//! `cargo run --release -p testing --example many_sessions -- target/release/claude-code-server 1000 stub|real`
#![expect(clippy::panic, clippy::expect_used, clippy::print_stdout, reason = "a measuring program")]

use std::path::Path;
use std::time::Instant;

use futures_util::{StreamExt, stream};
use scripted_model::{Options, ScriptedModel};
use serde_json::{Value, json};
use testing::{ChildWatch, Server, ServerBuilder, resident_kib};

const MOST_AGENTS: usize = 4;
/// More than there are agents, so that some always wait.
const AT_ONCE: usize = 8;

/// What agents understand.
#[derive(Clone, Copy)]
struct Language {
    say: fn(&str) -> String,
    recall: &'static str,
}

const STUB: Language = Language { say: |text| format!("say {text}"), recall: "recall" };
const REAL: Language = Language { say: |text| format!("[[say {text}]]"), recall: "[[history]]" };

fn word(session: usize) -> String {
    format!("The word is w{session}.")
}

/// Runs a task to its end; gives what is wrong with it.
async fn run(server: &Server, id: &str, body: &Value, wanted: &str) -> Option<String> {
    server.submit(body).await;
    let complete = server.stream(id, "").await.finish().await.events().pop().expect("an event");
    let summary = complete["data"]["summary"].as_str().unwrap_or_default();
    let right = complete["data"]["status"] == "completed" && summary.contains(wanted);
    let (kind, status) = (&complete["type"], &complete["data"]["status"]);
    (!right).then(|| format!("{id}: the last event is {kind}, status {status}, summary {summary:?}"))
}

/// One task in each session; prints how it went.
async fn round(server: &Server, sessions: usize, name: &str, body: impl Fn(usize) -> Value) {
    let start = Instant::now();
    let tasks = stream::iter(0..sessions).map(|session| {
        let body = body(session);
        async move {
            let id = body["task_id"].as_str().expect("an id").to_owned();
            run(server, &id, &body, &word(session)).await
        }
    });
    let mut tasks = tasks.buffer_unordered(AT_ONCE);
    let (mut done, mut wrong) = (0, Vec::new());
    while let Some(result) = tasks.next().await {
        done += 1;
        wrong.extend(result);
        if done % sessions.div_ceil(5) == 0 {
            println!("  {name}: {done} tasks, server RSS {} KiB", resident_kib(server.pid()));
        }
    }
    let each = start.elapsed().as_secs_f64() * 1000.0 / sessions as f64;
    println!("{name}: {:.1} ms a task ({MOST_AGENTS} agents at once), {} failed", each, wrong.len());
    wrong.iter().take(3).for_each(|wrong| println!("  {wrong}"));
}

async fn measure(server: &Server, sessions: usize, language: Language) {
    let idle = resident_kib(server.pid());
    let watch = ChildWatch::of(server.pid());
    let workspace = server.workspace("shared");
    println!("server idle: RSS {idle} KiB");
    let first = |session| json!({"task_id": format!("s{session}"), "prompt": (language.say)(&word(session)), "workspace": workspace});
    round(server, sessions, "first tasks", first).await;
    let created = resident_kib(server.pid());
    let second = |session| {
        let choice = json!({"reuse_existing": true, "session_id": format!("session-s{session}")});
        json!({"task_id": format!("s{session}-again"), "prompt": language.recall, "workspace": workspace, "session": choice})
    };
    round(server, sessions, "second tasks, which recall", second).await;
    let resumed = resident_kib(server.pid());
    let (most, looks) = watch.most();
    println!("agent processes: {most} at most ({looks} looks), {MOST_AGENTS} allowed");
    let each = |after: u64| after.saturating_sub(idle) as f64 / sessions as f64;
    println!(
        "server RSS: {created} KiB with {sessions} sessions ({:.2} KiB each), {resumed} KiB after their second tasks ({:.2} KiB each)",
        each(created),
        each(resumed)
    );
}

#[tokio::main]
async fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [binary, sessions, agent] = &arguments[..] else { panic!("<server binary> <sessions> <stub|real>") };
    let binary = Path::new(binary).canonicalize().expect("the binary is there").display().to_string();
    let sessions = sessions.parse().expect("a number of sessions");
    // Not in the server, as in demo mode: what it remembers would be weighed too.
    let model = ScriptedModel::start(Options::default()).await.expect("a model");
    let (builder, language) = match agent.as_str() {
        "stub" => (ServerBuilder::stub(&binary), STUB),
        "real" => (ServerBuilder::bare(&binary), REAL),
        other => panic!("{other} is neither stub nor real"),
    };
    let server = builder
        .variable("CLAUDE_API_KEY", "dummy")
        .variable("CLAUDE_BASE_URL", &model.base_url())
        .variable("SERVER_LOG_LEVEL", "info")
        .variable("SESSION_MAX_CONCURRENT", &MOST_AGENTS.to_string())
        .start()
        .await;
    measure(&server, sessions, language).await;
    server.terminate();
    server.ended().await;
    model.shutdown().await;
}

//! What the server does in a second, and how long it lets wait, with the stub as agent and each storage in turn:
//! `cargo run --release -p testing --example engine_figures -- target/release/claude-code-server [rounds]`
//!
//! Agent, server and client share the machine. Only ratios within one run carry over to another machine.
#![expect(clippy::expect_used, clippy::print_stdout, reason = "a measuring program")]

mod requests;
mod starts;
mod streams;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use testing::{Server, ServerBuilder, resident_kib};

/// A server with one kind of storage.
struct Subject {
    storage: &'static str,
    server: Server,
    tasks: AtomicUsize,
}

impl Subject {
    async fn start(binary: &str, storage: &'static str) -> Self {
        let server = ServerBuilder::stub(binary)
            .variable("SERVER_LOG_LEVEL", "info")
            .variable("STORAGE_TYPE", storage)
            .variable("SESSION_MAX_CONCURRENT", "16")
            .variable("TASK_MAX_QUEUE_SIZE", "100000")
            .start()
            .await;
        Self { storage, server, tasks: AtomicUsize::new(0) }
    }

    /// A task that was not submitted before, in a session of its own.
    fn task(&self, prompt: &str) -> (String, Value) {
        let id = format!("task-{}", self.tasks.fetch_add(1, Ordering::Relaxed));
        let body = json!({"task_id": id, "prompt": prompt, "workspace": self.server.workspace("shared")});
        (id, body)
    }

    /// Submits it; gives its id.
    async fn submit(&self, prompt: &str) -> String {
        let (id, body) = self.task(prompt);
        self.server.submit(&body).await;
        id
    }
}

/// Figures by name, for each storage.
#[derive(Default)]
struct Figures(Vec<(&'static str, &'static str, Vec<f64>)>);

impl Figures {
    /// Adds a sample.
    fn add(&mut self, name: &'static str, storage: &'static str, sample: f64) {
        let row = self.0.iter_mut().find(|(known, kind, _)| (*known, *kind) == (name, storage));
        match row {
            Some((.., samples)) => samples.push(sample),
            None => self.0.push((name, storage, vec![sample])),
        }
    }

    /// Medians, a line a name.
    fn print(&self) {
        println!("{:<58} {:>12} {:>12}", "median", "sqlite", "memory");
        let of = |name, storage| {
            let row = self.0.iter().find(|(known, kind, _)| (*known, *kind) == (name, storage));
            row.map_or("-".to_owned(), |(.., samples)| format!("{:.2}", quantile(samples, 0.5)))
        };
        let mut names: Vec<_> = self.0.iter().map(|(name, ..)| *name).collect();
        names.dedup();
        let mut printed = Vec::new();
        for name in names {
            if !printed.contains(&name) {
                println!("{name:<58} {:>12} {:>12}", of(name, "sqlite"), of(name, "memory"));
                printed.push(name);
            }
        }
    }
}

fn quantile(samples: &[f64], part: f64) -> f64 {
    let mut samples = samples.to_vec();
    samples.sort_by(f64::total_cmp);
    let place = (samples.len() as f64 * part) as usize;
    samples.get(place.min(samples.len().saturating_sub(1))).copied().unwrap_or_default()
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let binary = arguments.next().expect("the server's binary as first argument");
    let binary = Path::new(&binary).canonicalize().expect("the binary is there").display().to_string();
    let rounds: usize = arguments.next().map_or(3, |rounds| rounds.parse().expect("a number of rounds"));
    let subjects = [Subject::start(&binary, "sqlite").await, Subject::start(&binary, "memory").await];
    let mut figures = Figures::default();
    for subject in &subjects {
        figures.add("idle memory, KiB", subject.storage, resident_kib(subject.server.pid()) as f64);
    }
    for round in 0..rounds {
        println!("round {} of {rounds}", round + 1);
        for subject in &subjects {
            streams::measure(subject, &mut figures).await;
            requests::measure(subject, &mut figures).await;
        }
    }
    for subject in subjects {
        figures.add("memory after all that, KiB", subject.storage, resident_kib(subject.server.pid()) as f64);
        subject.server.terminate();
        subject.server.ended().await;
    }
    figures.print();
    starts::measure(&binary).await;
}

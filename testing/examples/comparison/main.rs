//! Our server beside a service that is written with the official SDK for Python (bench/python-service), in one run:
//! `cargo run --release -p testing --example comparison -- SERVER PYTHON [--rounds N] [--real]`
//!
//! PYTHON is the interpreter that `install_python_service` prints. Rounds take turns; the figures are medians of them, as JSON on
//! stdout: `{"ours": {NAME: VALUE}, "python": {NAME: VALUE}}`. What both do not do alike: ours has each event in its database
//! before anyone sees it, and answers a POST when the task is in it; the other has all in memory.
#![expect(clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a measuring program")]

mod figures;
mod reader;
mod service;

use std::collections::BTreeMap;
use std::path::Path;

use scripted_model::{Options, ScriptedModel};
use serde_json::json;

use crate::figures::{Figures, with_real_cli, with_stub};
use crate::service::Kind;

const ROUNDS: usize = 3;
/// Events of one task at full speed: seconds for either. More than 950,000 would be more than a task may have in our log.
const OUR_BURST: u64 = 500_000;
const PYTHON_BURST: u64 = 100_000;

fn medians(rounds: &[Figures]) -> Figures {
    let mut values: BTreeMap<&'static str, Vec<f64>> = BTreeMap::new();
    for (name, value) in rounds.iter().flatten() {
        values.entry(name).or_default().push(*value);
    }
    let middle = |mut values: Vec<f64>| {
        values.sort_unstable_by(f64::total_cmp);
        values[values.len() / 2]
    };
    values.into_iter().map(|(name, values)| (name, middle(values))).collect()
}

#[tokio::main]
async fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [server, python, options @ ..] = &arguments[..] else {
        panic!("<server binary> <python> [--rounds N] [--real]")
    };
    let rounds = options.iter().skip_while(|option| *option != "--rounds").nth(1);
    let rounds = rounds.map_or(ROUNDS, |rounds| rounds.parse().expect("a number of rounds"));
    let has_real = options.iter().any(|option| option == "--real");
    let model = ScriptedModel::start(Options::default()).await.expect("a model");
    let server = Path::new(server).canonicalize().expect("the binary is there");
    // Not resolved: a virtual environment's interpreter is a link, and goes by its place.
    let python = std::path::absolute(python).expect("a path");
    let services = [("ours", Kind::Ours(server), OUR_BURST), ("python", Kind::Python(python), PYTHON_BURST)];
    let mut all: BTreeMap<&str, Vec<Figures>> = BTreeMap::new();
    for round in 1..=rounds {
        for (name, kind, burst) in &services {
            tell(round, rounds, name);
            let mut figures = with_stub(kind, &model.base_url(), *burst).await;
            if has_real {
                figures.extend(with_real_cli(kind, &model.base_url()).await);
            }
            all.entry(name).or_default().push(figures);
        }
    }
    let figures: BTreeMap<_, _> = all.iter().map(|(name, rounds)| (name, medians(rounds))).collect();
    println!("{:#}", json!(figures));
    model.shutdown().await;
}

/// For whoever waits.
fn tell(round: usize, rounds: usize, name: &str) {
    use std::io::Write;
    // Nobody may be there to read it.
    writeln!(std::io::stderr(), "round {round} of {rounds}: {name}").ok();
}

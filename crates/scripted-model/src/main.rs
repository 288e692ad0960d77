//! The scripted model as a program: prints its base URL and serves until SIGTERM or Ctrl-C.

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;

use clap::Parser;
use scripted_model::{Options, Scenario, ScriptedModel};
use tokio::signal::unix::{SignalKind, signal};

/// A Messages API on 127.0.0.1 that answers by script.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The port; 0 takes any free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// A JSON file with rules and their scripts.
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let scenario = arguments.scenario.map(Scenario::from_file).transpose()?;
    // Before the URL is printed, so that whoever reads it can already stop us.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let model = ScriptedModel::start(Options { port: arguments.port, scenario }).await?;
    writeln!(std::io::stdout(), "{}", model.base_url())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    model.shutdown().await;
    Ok(())
}

//! Stands in for the `claude` CLI: the same protocol, no model, and what a prompt says is what is done. See README.md.

mod arguments;
mod burst;
mod frames;
mod inbox;
mod output;
mod result;
mod script;
mod session;
mod transcript;
mod turn;

use std::io::Write;
use std::process::ExitCode;

use arguments::{Launch, VERSION};
use output::Output;
use session::Session;
use transcript::Transcript;

/// What the CLI exits with when it cannot work, and when its last turn failed.
const FAILED: u8 = 1;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.peek().is_some_and(|first| first == "--version") {
        return exit_code(writeln!(std::io::stdout(), "{VERSION} (Claude Code, stub)").map(|()| 0));
    }
    exit_code(Launch::read(arguments).map_err(std::io::Error::other).and_then(run))
}

fn run(launch: Launch) -> std::io::Result<u8> {
    let mut output = Output::stdout(&launch.id())?;
    let transcript = match Transcript::open(&launch, output.session()) {
        Ok(transcript) => transcript,
        Err(refusal) => {
            if launch.resume.is_some() {
                output.value(&result::no_conversation(&refusal.to_string(), output.session()))?;
            }
            return Err(refusal);
        }
    };
    Session::new(launch, output, transcript)?.run()
}

/// Errors are told on stderr only, as the CLI does.
fn exit_code(outcome: std::io::Result<u8>) -> ExitCode {
    match outcome {
        Ok(code) => code.into(),
        Err(error) => {
            // Nobody is left to be told.
            writeln!(std::io::stderr(), "{error}").ok();
            FAILED.into()
        }
    }
}

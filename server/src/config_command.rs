//! `config`: is it valid, what is in force and why, and what can be set.

mod example;
mod page;
mod show;

use std::io::Write;
use std::process::ExitCode;

use crate::cli::{ConfigCommand, ServeArguments};
use crate::config::{Config, Layers};

/// The configuration is not valid.
const EXIT_INVALID: u8 = 1;

pub(crate) fn main(command: &ConfigCommand) -> ExitCode {
    match command {
        ConfigCommand::Check(arguments) => check(arguments),
        ConfigCommand::Show(arguments) => {
            let layers = Layers::load(&arguments.serve);
            let variables = show::effective(&layers);
            let shown = if arguments.json { show::json(&variables) } else { show::text(&variables) };
            layers.faults().iter().for_each(|fault| complain(fault));
            print(&shown, layers.faults().is_empty())
        }
        ConfigCommand::Reference => print(&page::reference(), true),
        ConfigCommand::Example { toml: false } => print(&example::dot_env(), true),
        ConfigCommand::Example { toml: true } => print(&example::toml(), true),
    }
}

fn check(arguments: &ServeArguments) -> ExitCode {
    let layers = Layers::load(arguments);
    let (warnings, faults) = match Config::resolve(&layers, arguments.demo) {
        Ok(config) => (config.warnings, Vec::new()),
        Err(faults) => (layers.warnings().to_vec(), faults),
    };
    let warnings = warnings.iter().map(|warning| format!("warning: {warning}\n"));
    let mut lines: String = faults.iter().map(|fault| format!("{fault}\n")).chain(warnings).collect();
    if faults.is_empty() {
        lines.push_str("configuration is valid\n");
    }
    print(&lines, faults.is_empty())
}

/// Prints a result; the exit code says whether it is a good one.
fn print(text: &str, is_good: bool) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) if is_good => ExitCode::SUCCESS,
        _ => ExitCode::from(EXIT_INVALID),
    }
}

fn complain(fault: &str) {
    // A stderr that is gone has nobody to tell.
    drop(writeln!(std::io::stderr(), "claude-code-server config: {fault}"));
}

//! `doctor`: looks at everything that a server needs, changes nothing, and says what to do.

mod limits;
mod place;
mod ports;
mod programs;

use std::fmt;
use std::io::Write;
use std::process::ExitCode;

use serde::Serialize;

use crate::cli::ReportArguments;
use crate::config::{Config, Layers};

/// Something is wrong that a server cannot do without.
const EXIT_FAILED: u8 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Ok,
    /// A server starts, and something will be missing.
    Warn,
    /// A server does not start, or cannot do its work.
    Fail,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
        })
    }
}

/// What one look found.
#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    outcome: Outcome,
    /// What was found, and what to do about it.
    detail: String,
}

impl Check {
    fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Ok, detail: detail.into() }
    }

    fn warn(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Warn, detail: detail.into() }
    }

    fn fail(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Fail, detail: detail.into() }
    }
}

pub(crate) fn main(arguments: &ReportArguments) -> ExitCode {
    let layers = Layers::load(&arguments.serve);
    let checks = checks(&layers, arguments.serve.demo);
    let is_healthy = checks.iter().all(|check| check.outcome != Outcome::Fail);
    let report = if arguments.json {
        format!("{:#}\n", serde_json::json!({ "healthy": is_healthy, "checks": checks }))
    } else {
        let line = |check: &Check| format!("{:4}  {:13}  {}\n", check.outcome, check.name, check.detail);
        checks.iter().map(line).collect()
    };
    match std::io::stdout().write_all(report.as_bytes()) {
        Ok(()) if is_healthy => ExitCode::SUCCESS,
        _ => ExitCode::from(EXIT_FAILED),
    }
}

const CONFIGURATION: &str = "configuration";

fn checks(layers: &Layers, demo: bool) -> Vec<Check> {
    let (mut checks, warnings) = match Config::resolve_but_cli(layers, demo) {
        Ok(config) => {
            let credential = programs::check_credential(&config, layers);
            (vec![Check::ok(CONFIGURATION, "valid"), credential], config.warnings)
        }
        Err(faults) => {
            let faults = faults.iter().map(|fault| Check::fail(CONFIGURATION, fault));
            (faults.collect(), layers.warnings().to_vec())
        }
    };
    checks.extend(warnings.iter().map(|warning| Check::warn(CONFIGURATION, warning)));
    // A credential that is missing says nothing about the rest.
    match Config::resolve_but_cli(layers, true) {
        Ok(config) => checks.extend(surroundings(&config)),
        Err(_) => {
            let detail = "nothing else was checked: correct the configuration first";
            checks.push(Check::warn(CONFIGURATION, detail));
        }
    }
    checks
}

/// What a server with this configuration needs of the machine.
fn surroundings(config: &Config) -> Vec<Check> {
    let (database, is_in_use) = place::check_database(config);
    let mut checks =
        vec![programs::check_cli(config), place::check_folder(config), database, place::check_room(config)];
    checks.extend(config.workspace_roots.iter().map(|root| place::check_workspaces(root)));
    checks.push(limits::check_files(config));
    checks.push(limits::check_processes(config));
    checks.push(limits::check_memory(config));
    checks.extend(ports::check_listeners(config, is_in_use));
    checks.extend(ports::check_metrics_port(config, is_in_use));
    checks.push(programs::check_git());
    checks
}

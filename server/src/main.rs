//! The server's binary: configuration, wiring, start, drain, stop; a doctor; and a client of a running server's API.

mod backup;
mod cli;
mod config;
mod config_command;
mod doctor;
mod keys;
mod logging;
mod manual;
mod openapi;
mod remote;
mod serve;
mod transport;
mod warden;

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match cli::Cli::parse().command {
        cli::Command::Serve(arguments) => serve::main(&arguments),
        cli::Command::Config(command) => config_command::main(&command),
        cli::Command::Doctor(arguments) => doctor::main(&arguments),
        cli::Command::Backup(arguments) => backup::backup(&arguments),
        cli::Command::Restore(arguments) => backup::restore(&arguments),
        cli::Command::Keys(command) => keys::main(command),
        cli::Command::Openapi => openapi::main(),
        cli::Command::Warden(arguments) => warden::main(&arguments),
        cli::Command::Remote(command) => remote::main(command),
        cli::Command::Completions { shell } => manual::completions(shell),
        cli::Command::Man { folder } => manual::pages(folder.as_deref()),
    }
}

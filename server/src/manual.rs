//! Shell completions and manual pages, made of the command line's own definition.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::cli::Cli;

const PROGRAM: &str = "claude-code-server";

/// Prints a shell's completions.
pub(crate) fn completions(shell: Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), PROGRAM, &mut script);
    ended(std::io::stdout().write_all(&script))
}

/// Prints the program's manual page, or writes those of all commands into a folder.
pub(crate) fn pages(folder: Option<&Path>) -> ExitCode {
    ended(match folder {
        Some(folder) => clap_mangen::generate_to(Cli::command(), folder),
        None => {
            let mut page = Vec::new();
            Man::new(Cli::command()).render(&mut page).and_then(|()| std::io::stdout().write_all(&page))
        }
    })
}

fn ended(written: std::io::Result<()>) -> ExitCode {
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A stderr that is gone has nobody to tell.
            drop(writeln!(std::io::stderr(), "{PROGRAM}: cannot be written: {error}"));
            ExitCode::FAILURE
        }
    }
}

//! `backup` and `restore`: a copy of the database and of the conversations, and the way back.
//!
//! The database's copy is consistent, whatever the server does meanwhile. Conversations are copied after it, so none that the
//! copy knows of is missing; a last line that was being written is mended when the conversation is resumed.

mod transcripts;

use std::fs::DirBuilder;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use store_sqlite::{BackupReport, Overwrite};

use self::transcripts::copy_transcripts;
use crate::cli::{BackupArguments, DataArguments, RestoreArguments};
use crate::config;
use crate::serve::DATABASE;

/// Nothing was copied, or not all of it.
const EXIT_FAILED: u8 = 1;

/// Makes a folder with a copy; a server may use the original meanwhile.
pub(crate) fn backup(arguments: &BackupArguments) -> ExitCode {
    tell("backup", make_backup(arguments))
}

fn make_backup(arguments: &BackupArguments) -> anyhow::Result<String> {
    let (data, to) = (&data_dir(&arguments.data)?, &arguments.to);
    // A folder that was named and has a database is meant.
    let is_meant = arguments.data.data_dir.is_some() && data.join(DATABASE).exists();
    if !is_meant && config::keeps_in_redis(&arguments.data) {
        bail!(
            "this server keeps its tasks in Redis (STORAGE_TYPE=redis), so there is no database to copy: back up Redis and the folder \
             STORAGE_AGENTS_DIR, as docs/runbooks/restore.md says"
        );
    }
    if to.exists() {
        bail!("{} is there already: choose a folder that is not", to.display());
    }
    let mut unfinished = to.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let unfinished = Path::new(&unfinished);
    // What an earlier one that was cut off has left.
    remove_folder(unfinished)?;
    make_folder(unfinished)?;
    let copied = copy_all(data, unfinished);
    if copied.is_err() {
        remove_folder(unfinished)?;
    }
    let (report, transcripts) = copied?;
    std::fs::rename(unfinished, to)
        .with_context(|| format!("{} cannot get its name {}", unfinished.display(), to.display()))?;
    Ok(format!("{} tasks and {transcripts} conversations copied to {}", report.tasks, to.display()))
}

fn copy_all(data: &Path, to: &Path) -> anyhow::Result<(BackupReport, usize)> {
    let report = store_sqlite::backup(&data.join(DATABASE), &to.join(DATABASE))?;
    Ok((report, copy_transcripts(data, to)?))
}

fn remove_folder(path: &Path) -> anyhow::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} cannot be removed", path.display()))
        }
        _ => Ok(()),
    }
}

/// Puts a copy in the place of what a data folder holds.
pub(crate) fn restore(arguments: &RestoreArguments) -> ExitCode {
    tell("restore", put_back(arguments))
}

fn put_back(arguments: &RestoreArguments) -> anyhow::Result<String> {
    let (from, data) = (&arguments.from, &data_dir(&arguments.data)?);
    if arguments.data.data_dir.is_none() && config::keeps_in_redis(&arguments.data) {
        bail!(
            "this server keeps its tasks in Redis (STORAGE_TYPE=redis), and would not see a restored database: restore Redis, as \
             docs/runbooks/restore.md says, or name the --data-dir of another server"
        );
    }
    let overwrite = if arguments.overwrite { Overwrite::Replace } else { Overwrite::Refuse };
    make_folder(data)?;
    let copy = || copy_transcripts(from, data);
    let (report, transcripts) =
        store_sqlite::restore(&from.join(DATABASE), &data.join(DATABASE), overwrite, copy)?;
    Ok(format!("{} tasks and {transcripts} conversations restored to {}", report.tasks, data.display()))
}

/// The same folder as the server's.
fn data_dir(arguments: &DataArguments) -> anyhow::Result<PathBuf> {
    config::data_dir(arguments).map_err(|faults| anyhow::anyhow!(faults.join("; ")))
}

fn make_folder(path: &Path) -> anyhow::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.with_context(|| format!("{} cannot be made: choose another folder", path.display()))
}

fn tell(command: &str, result: anyhow::Result<String>) -> ExitCode {
    // Who closed the stream does not want to know.
    match result {
        Ok(done) => {
            drop(writeln!(std::io::stdout(), "{done}"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            drop(writeln!(std::io::stderr(), "claude-code-server {command}: {error:#}"));
            ExitCode::from(EXIT_FAILED)
        }
    }
}

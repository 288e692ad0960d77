//! Starting a child.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};

use crate::keeper;
use crate::spawner::{self, Newborn};
use crate::{Child, Spec};

/// Why a child could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// There is no such program.
    #[error("program {program:?} does not exist, install it or correct its path")]
    ProgramMissing {
        /// The program asked for.
        program: PathBuf,
    },
    /// The program is there and cannot be run: no permission, not a program, or its interpreter is missing.
    #[error("program {program:?} cannot be executed, check its permissions and its interpreter: {source}")]
    NotExecutable {
        /// The program asked for.
        program: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The working directory is missing or cannot be entered.
    #[error("working directory {cwd:?} cannot be entered, create it or correct its permissions: {source}")]
    WorkingDirectory {
        /// The directory asked for.
        cwd: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The system refused: out of processes, memory or descriptors, an argument with a NUL, no `/proc`.
    #[error("cannot start a child process: {0}")]
    Os(#[source] io::Error),
}

/// Starts a child. Returns once it runs the program.
///
/// Cancel-safe: a child whose `spawn` is dropped before it is handed over is killed. Must be called within a
/// tokio runtime with IO and time enabled; the child lives no longer than that runtime.
///
/// # Errors
/// [`SpawnError`], by what the caller may do about it.
pub async fn spawn(spec: Spec) -> Result<Child, SpawnError> {
    let Newborn { root, stdin, stdout, stderr } = spawner::order(spec).await?;
    let stdin = ChildStdin::from_std(stdin).map_err(SpawnError::Os)?;
    let stdout = ChildStdout::from_std(stdout).map_err(SpawnError::Os)?;
    let stderr = ChildStderr::from_std(stderr).map_err(SpawnError::Os)?;
    let life = keeper::keep(root, stderr).map_err(SpawnError::Os)?;
    Ok(Child { stdin, stdout, life })
}

/// Tells a missing program from a missing directory: the system says "no such file" to both.
pub(crate) fn explain(spec: &Spec, source: io::Error) -> SpawnError {
    let about_a_path = matches!(
        source.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::PermissionDenied
    );
    if !about_a_path && source.raw_os_error() != Some(libc::ENOEXEC) {
        return SpawnError::Os(source);
    }
    if !spec.cwd.is_dir() || access(&spec.cwd, Access::EXEC_OK).is_err() {
        return SpawnError::WorkingDirectory { cwd: spec.cwd.clone(), source };
    }
    let program = spec.program.clone();
    if candidates(spec).iter().any(|path| path.exists()) {
        SpawnError::NotExecutable { program, source }
    } else {
        SpawnError::ProgramMissing { program }
    }
}

/// Where the program may be: at its path, or in the directories of the child's `PATH`.
fn candidates(spec: &Spec) -> Vec<PathBuf> {
    if spec.program.as_os_str().as_bytes().contains(&b'/') {
        return vec![spec.cwd.join(&spec.program)];
    }
    let path = spec.env.iter().rev().find(|(name, _)| name == "PATH").map(|(_, value)| value.as_os_str());
    let path = path.unwrap_or(OsStr::new("/bin:/usr/bin"));
    let directories =
        path.as_bytes().split(|&byte| byte == b':').map(|part| Path::new(OsStr::from_bytes(part)));
    directories.map(|directory| spec.cwd.join(directory).join(&spec.program)).collect()
}

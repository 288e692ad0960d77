//! Starting a child.

use std::io;
use std::path::PathBuf;

use tokio::process::{ChildStderr, ChildStdin, ChildStdout};

use crate::fork::Stage;
use crate::spawner::{self, Newborn};
use crate::{Child, Spec, image, keeper};

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

/// Says of a failed start what the caller may do about it.
pub(crate) fn explain(spec: &Spec, stage: Stage, source: io::Error) -> SpawnError {
    let program = spec.program.clone();
    match (stage, source.raw_os_error()) {
        (Stage::Directory, _) => SpawnError::WorkingDirectory { cwd: spec.cwd.clone(), source },
        (Stage::Program, Some(libc::ENOENT)) => {
            // The system says the same of a script whose interpreter is missing.
            if image::candidates(spec).iter().any(|path| spec.cwd.join(path).exists()) {
                SpawnError::NotExecutable { program, source }
            } else {
                SpawnError::ProgramMissing { program }
            }
        }
        (Stage::Program, Some(libc::EACCES | libc::ENOEXEC | libc::ELIBBAD | libc::ELOOP | libc::EPERM)) => {
            SpawnError::NotExecutable { program, source }
        }
        (Stage::Setup | Stage::Program, _) => SpawnError::Os(source),
    }
}

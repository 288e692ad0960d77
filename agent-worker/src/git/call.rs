//! One call of the git program: without a shell, bounded in time and output, with an environment made from nothing.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use process::{InvalidOwner, Ladder, Limits, SpawnError, Spec};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use crate::owner;

/// A worktree of a large repository takes a while.
const WITHIN: Duration = Duration::from_secs(300);
/// Names and numbers of more files than anybody reviews.
const MOST_OUTPUT: u64 = 64 * 1024 * 1024;
const LADDER: Ladder = Ladder { exit_grace: Duration::from_secs(2), term_grace: Duration::from_millis(500) };

/// Before every command: nothing that the repository's configuration names is run but its filters, and no path is a pattern.
const ALWAYS: [&str; 6] =
    ["--no-pager", "--literal-pathspecs", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"];

/// What git may know of the caller's environment: its configuration, who commits, and how commits are signed.
const PASSED: [&str; 15] = [
    "PATH",
    "HOME",
    "XDG_CONFIG_HOME",
    "TMPDIR",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_AUTHOR_NAME",
    "GIT_AUTHOR_EMAIL",
    "GIT_COMMITTER_NAME",
    "GIT_COMMITTER_EMAIL",
    "EMAIL",
    "GNUPGHOME",
    "SSH_AUTH_SOCK",
    "TZ",
];

/// Why git did not do it. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GitError {
    #[error("the project {} is not there, or is no folder: correct --project", .0.display())]
    NoFolder(PathBuf),
    #[error("the project {} is in no git repository: run `git init` there and commit what is there", .0.display())]
    NoRepository(PathBuf),
    #[error("the repository {} has no commit yet: make the first one", .0.display())]
    NoCommit(PathBuf),
    #[error(
        "the working tree {} has changes that are not committed ({named}): commit them, or put them away with `git stash --include-untracked`",
        .top.display()
    )]
    Dirty { top: PathBuf, named: String },
    #[error("{0:?} cannot be a branch's name: see `git help check-ref-format`")]
    BranchName(String),
    #[error("there is a branch {0} already: choose another --branch, or delete it with `git branch -D {0}`")]
    BranchTaken(String),
    #[error(
        "the branch {wanted} cannot be beside {taken}, as a file cannot be beside a folder of its name: choose another --branch"
    )]
    BranchBeside { wanted: String, taken: String },
    #[error(
        "git does not know who commits, as --commit has to: `git config --global user.name NAME` and `user.email ADDRESS` ({error})"
    )]
    Nobody { error: String },
    #[error(
        "the project {} is not in the last commit, so a worktree would be without it: commit it (git keeps no empty folder, and \
         this one may be ignored), or leave --worktree out",
        .0.display()
    )]
    NotCommitted(PathBuf),
    #[error("there are conflicts that nobody has resolved ({named}): resolve them, then commit")]
    Unmerged { named: String },
    #[error("{} has files of the repository in it, which git would ignore from then on: name another folder with --worktrees", .0.display())]
    Tracked(PathBuf),
    #[error(
        "the agent has left the branch {branch} for {found:?}: see where its work is, and switch back to {branch}"
    )]
    Elsewhere { branch: String, found: String },
    #[error("{} cannot be written: {source}", .file.display())]
    Exclude { file: PathBuf, source: io::Error },
    #[error("this process cannot own a child: {0}")]
    Owner(#[from] InvalidOwner),
    #[error("git cannot be started: {0}")]
    Start(#[source] SpawnError),
    #[error("`git {command}` did not end within {} s", WITHIN.as_secs())]
    Late { command: String },
    #[error("`git {command}` writes more than can be taken in")]
    TooMuch { command: String },
    #[error("the output of `git {command}` cannot be read: {source}")]
    Output { command: String, source: io::Error },
    #[error("`git {command}` failed: {error}")]
    Failed { command: String, error: String },
    #[error("`git {command}` names a path that is no UTF-8: rename it")]
    NoText { command: String },
}

/// Git in a folder.
#[derive(Debug, Clone)]
pub(super) struct Git {
    folder: PathBuf,
}

/// What a call came to.
pub(super) struct Output {
    command: String,
    code: Option<i32>,
    pub(super) stdout: Vec<u8>,
    pub(super) error: String,
}

impl Output {
    pub(super) fn is_success(&self) -> bool {
        self.code == Some(0)
    }

    pub(super) fn text(&self) -> Result<String, GitError> {
        String::from_utf8(self.stdout.clone()).map_err(|_| GitError::NoText { command: self.command.clone() })
    }

    /// The first line.
    pub(super) fn line(&self) -> Result<String, GitError> {
        Ok(self.text()?.lines().next().unwrap_or_default().to_owned())
    }

    pub(super) fn failure(self) -> GitError {
        let error = match (self.error.trim(), self.code) {
            ("", code) => format!("exit code {code:?}"),
            (error, _) => error.to_owned(),
        };
        GitError::Failed { command: self.command, error }
    }
}

impl Git {
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A call that has to succeed.
    pub(super) async fn must<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Result<Output, GitError> {
        let output = self.run(arguments).await?;
        if output.is_success() { Ok(output) } else { Err(output.failure()) }
    }

    /// A call whose exit code is an answer.
    pub(super) async fn run<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Result<Output, GitError> {
        let words = || arguments.iter().take(2).map(|argument| argument.as_ref().to_string_lossy());
        let command = words().collect::<Vec<_>>().join(" ");
        let spec = Spec {
            program: "git".into(),
            args: ALWAYS.iter().map(OsString::from).chain(arguments.iter().map(Into::into)).collect(),
            env: environment(|name| std::env::var_os(name)),
            cwd: self.folder.clone(),
            owner: owner()?,
            limits: Limits::default(),
            cgroup: None,
        };
        let child = process::spawn(spec).await.map_err(GitError::Start)?;
        drop(child.stdin);
        let mut stdout = Vec::new();
        let mut pipe = child.stdout.take(MOST_OUTPUT + 1);
        let read = timeout(WITHIN, pipe.read_to_end(&mut stdout)).await;
        let is_late = read.is_err();
        let is_too_much = stdout.len() as u64 > MOST_OUTPUT;
        let receipt = if is_late || is_too_much {
            child.life.stop(LADDER).await
        } else {
            // Its output has ended; it may still write files.
            match timeout(WITHIN, child.life.ended()).await {
                Ok(receipt) => receipt,
                Err(_) => child.life.stop(LADDER).await,
            }
        };
        match read {
            Err(_) => Err(GitError::Late { command }),
            Ok(Err(source)) => Err(GitError::Output { command, source }),
            Ok(Ok(_)) if is_too_much => Err(GitError::TooMuch { command }),
            Ok(Ok(_)) => {
                let code = receipt.exit.and_then(|exit| exit.code);
                Ok(Output { command, code, stdout, error: child.life.stderr_tail() })
            }
        }
    }
}

/// Git's whole environment. `GIT_DIR` and its like, which a hook or an alias of the caller may have set, are not in it.
fn environment(variable: impl Fn(&str) -> Option<OsString>) -> Vec<(OsString, OsString)> {
    let passed = PASSED.iter().filter_map(|name| Some((OsString::from(name), variable(name)?)));
    let fixed = [
        // Its messages are read.
        ("LC_ALL", "C.UTF-8"),
        ("LANGUAGE", "en"),
        ("GIT_TERMINAL_PROMPT", "0"),
        // `git status` does not write to refresh its index, so it cannot stand in anybody's way.
        ("GIT_OPTIONAL_LOCKS", "0"),
    ];
    passed.chain(fixed.map(|(name, value)| (name.into(), value.into()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_learns_who_commits_and_not_where_a_hook_was_called() {
        let given = |name: &str| {
            ["PATH", "GIT_AUTHOR_NAME", "GIT_DIR", "GIT_INDEX_FILE", "SECRET"]
                .contains(&name)
                .then(|| OsString::from("x"))
        };
        let names: Vec<_> = environment(given).into_iter().map(|(name, _)| name).collect();
        let expected =
            ["PATH", "GIT_AUTHOR_NAME", "LC_ALL", "LANGUAGE", "GIT_TERMINAL_PROMPT", "GIT_OPTIONAL_LOCKS"];
        assert_eq!(names, expected.map(OsString::from));
    }
}

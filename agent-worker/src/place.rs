//! Where an agent works: a new branch in the project's folder, or in a worktree of its own.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::git::{self, GitError, Repository};

/// The folder of all worktrees at the top of a repository.
pub(crate) const WORKTREES: &str = ".agent_worktrees";
/// The file below git's folder that is locked while a worker uses the working tree.
const LOCK: &str = "agent-worker.lock";

/// A branch that was made, and where it is checked out.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) repository: Repository,
    pub(crate) branch: String,
    /// The working tree that has it.
    pub(crate) tree: PathBuf,
    /// The project in that tree: where the agent starts.
    pub(crate) workspace: PathBuf,
    pub(crate) is_worktree: bool,
}

impl Place {
    /// Makes a branch in the project's folder.
    pub(crate) async fn branch(repository: Repository, branch: String) -> Result<Self, GitError> {
        repository.start_branch(&branch).await?;
        let tree = repository.top().to_owned();
        let workspace = repository.project_in(&tree);
        Ok(Self { repository, branch, tree, workspace, is_worktree: false })
    }

    /// Makes a branch in a worktree of its own.
    pub(crate) async fn worktree(
        repository: Repository,
        branch: String,
        tree: PathBuf,
    ) -> Result<Self, GitError> {
        repository.add_worktree(&tree, &branch).await?;
        let workspace = repository.project_in(&tree);
        Ok(Self { repository, branch, tree, workspace, is_worktree: true })
    }

    /// The commit that the branch began with.
    pub(crate) fn base(&self) -> &str {
        self.repository.head()
    }

    /// Takes back what was made: nobody has worked in it.
    pub(crate) async fn undo(&self) -> Result<(), GitError> {
        if self.is_worktree {
            self.repository.drop_worktree(&self.tree, &self.branch).await?;
            // The folder of all worktrees goes with the only one in it.
            if let Some(all) = self.tree.parent().filter(|all| all.ends_with(WORKTREES)) {
                std::fs::remove_dir(all).ok();
            }
            Ok(())
        } else {
            self.repository.drop_branch(&self.branch).await
        }
    }
}

/// The folder for worktrees, made, and ignored by the repository that it lies in.
pub(crate) async fn worktrees(repository: &Repository, wanted: Option<&Path>) -> anyhow::Result<PathBuf> {
    let folder = match wanted {
        Some(folder) => std::path::absolute(folder).context("--worktrees is no path")?,
        None => repository.top().join(WORKTREES),
    };
    repository.check_free(&folder).await?;
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("the folder for worktrees {} cannot be made", folder.display()))?;
    folder.file_name().context("--worktrees needs a name")?;
    git::exclude_folder(&folder).await?;
    Ok(folder)
}

/// Keeps other workers out of the project's working tree while it lives.
pub(crate) async fn lock(repository: &Repository) -> anyhow::Result<File> {
    let path = repository.own_file(LOCK).await?;
    let file = File::create(&path).with_context(|| format!("{} cannot be written", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => bail!(
            "another agent-worker is at work in {}: wait for it, or use --worktree",
            repository.top().display()
        ),
        Err(std::fs::TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("{} cannot be locked", path.display()))
        }
    }
}

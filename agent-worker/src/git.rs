//! The git repository of a project: what is there, branches and worktrees, what has changed.

mod call;
mod changes;

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};

pub(crate) use self::call::GitError;
use self::call::{Git, Output};
pub(crate) use self::changes::{Change, Changes};

/// How many files of a dirty tree are named.
const MOST_NAMED: usize = 5;

/// A repository with a working tree and at least one commit.
#[derive(Debug, Clone)]
pub(crate) struct Repository {
    git: Git,
    /// Where the project lies below the top of the working tree.
    prefix: PathBuf,
    /// The commit that is checked out.
    head: String,
    /// The branch that is checked out; `None` when it is just a commit.
    branch: Option<String>,
}

impl Repository {
    /// The repository of a folder.
    pub(crate) async fn of(project: &Path) -> Result<Self, GitError> {
        let missing = || GitError::NoRepository(project.to_owned());
        if !project.is_dir() {
            return Err(GitError::NoFolder(project.to_owned()));
        }
        let there = Git::new(project);
        let found = there.run(&["rev-parse", "--show-toplevel", "--show-prefix"]).await?;
        if !found.is_success() {
            // Such as: the folder belongs to somebody else.
            let is_none = found.error.contains("not a git repository");
            return Err(if is_none { missing() } else { found.failure() });
        }
        let text = found.text()?;
        let mut lines = text.lines();
        let top = lines.next().filter(|line| !line.is_empty()).ok_or_else(missing)?;
        let prefix = PathBuf::from(lines.next().unwrap_or_default());
        let git = Git::new(Path::new(top));
        let head = git.run(&["rev-parse", "--verify", "--quiet", "HEAD^{commit}"]).await?;
        if !head.is_success() {
            return Err(GitError::NoCommit(top.into()));
        }
        let head = head.line()?;
        let branch = current_branch(&git).await?;
        Ok(Self { git, prefix, head, branch })
    }

    /// The top of the working tree.
    pub(crate) fn top(&self) -> &Path {
        self.git.folder()
    }

    /// Where the project lies in a working tree of this repository.
    pub(crate) fn project_in(&self, tree: &Path) -> PathBuf {
        // Put together from what is there, a path has no slash at its end.
        tree.join(&self.prefix).components().collect()
    }

    /// The commit that was checked out when this was read.
    pub(crate) fn head(&self) -> &str {
        &self.head
    }

    /// The branch that was checked out when this was read.
    pub(crate) fn branch(&self) -> Option<&str> {
        self.branch.as_deref()
    }

    /// The name of its folder.
    pub(crate) fn name(&self) -> String {
        self.top().file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Refuses a working tree that holds anything that is not committed.
    pub(crate) async fn check_clean(&self) -> Result<(), GitError> {
        let status = self
            .git
            .must(&["status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=normal"])
            .await?;
        let text = String::from_utf8_lossy(&status.stdout);
        // "XY path", with NUL after each.
        let files: Vec<_> = text.split('\0').filter_map(|entry| entry.get(3..)).collect();
        if files.is_empty() {
            return Ok(());
        }
        let mut named = files.iter().take(MOST_NAMED).copied().collect::<Vec<_>>().join(", ");
        if files.len() > MOST_NAMED {
            named.push_str(", …");
        }
        Err(GitError::Dirty { top: self.top().to_owned(), named })
    }

    /// Refuses what cannot be the name of a new branch.
    pub(crate) async fn check_branch(&self, name: &str) -> Result<(), GitError> {
        // "@{-1}" would be taken for the branch of before.
        let is_name =
            !name.contains("@{") && self.git.run(&["check-ref-format", "--branch", name]).await?.is_success();
        if !is_name {
            return Err(GitError::BranchName(name.to_owned()));
        }
        if self.has_branch(name).await? {
            return Err(GitError::BranchTaken(name.to_owned()));
        }
        self.check_neighbours(name).await
    }

    async fn has_branch(&self, name: &str) -> Result<bool, GitError> {
        let reference = format!("refs/heads/{name}");
        Ok(self.git.run(&["show-ref", "--verify", "--quiet", &reference]).await?.is_success())
    }

    /// Branches are files in folders: with `a` there can be no `a/b`, and the other way round.
    pub(crate) async fn check_neighbours(&self, name: &str) -> Result<(), GitError> {
        let beside =
            |taken: &str| GitError::BranchBeside { wanted: name.to_owned(), taken: taken.to_owned() };
        for (end, _) in name.match_indices('/') {
            let above = name.get(..end).unwrap_or_default();
            if self.has_branch(above).await? {
                return Err(beside(above));
            }
        }
        let below = format!("refs/heads/{name}/");
        let found = self
            .git
            .must(&["for-each-ref", "--count=1", "--format=%(refname:strip=2)", &below])
            .await?
            .line()?;
        if found.is_empty() { Ok(()) } else { Err(beside(&found)) }
    }

    /// Refuses when git does not know whose commits it would make.
    pub(crate) async fn check_identity(&self) -> Result<(), GitError> {
        for who in ["GIT_AUTHOR_IDENT", "GIT_COMMITTER_IDENT"] {
            let found = self.git.run(&["var", who]).await?;
            if !found.is_success() {
                return Err(GitError::Nobody { error: found.failure().to_string() });
            }
        }
        Ok(())
    }

    /// Refuses a project that a new worktree would not have.
    pub(crate) async fn check_committed(&self) -> Result<(), GitError> {
        let Some(prefix) = self.prefix.to_str().map(|prefix| prefix.trim_end_matches('/')) else {
            return Ok(());
        };
        let object = format!("{}:{prefix}", self.head);
        if prefix.is_empty() || self.git.run(&["cat-file", "-e", &object]).await?.is_success() {
            return Ok(());
        }
        Err(GitError::NotCommitted(self.project_in(self.top())))
    }

    /// Refuses a folder for worktrees that holds files of this repository: git is going to ignore it.
    pub(crate) async fn check_free(&self, folder: &Path) -> Result<(), GitError> {
        let arguments = ["ls-files", "-z", "--"].map(OsStr::new).into_iter().chain([folder.as_os_str()]);
        let found = self.git.run(&arguments.collect::<Vec<_>>()).await?;
        // What lies outside of the repository is no business of git's, which says so by failing.
        let is_free = !found.is_success() || found.stdout.is_empty();
        if is_free && folder != self.top() { Ok(()) } else { Err(GitError::Tracked(folder.to_owned())) }
    }

    /// Whether it has submodules, which are empty in a new worktree.
    pub(crate) fn has_submodules(&self) -> bool {
        self.top().join(".gitmodules").exists()
    }

    /// Makes a branch of what is checked out, and checks it out.
    pub(crate) async fn start_branch(&self, name: &str) -> Result<(), GitError> {
        self.git.must(&["switch", "--quiet", "--create", name]).await.map(drop)
    }

    /// Goes back to what was checked out, and deletes the branch.
    pub(crate) async fn drop_branch(&self, name: &str) -> Result<(), GitError> {
        match &self.branch {
            Some(branch) => self.git.must(&["switch", "--quiet", branch]).await?,
            None => self.git.must(&["switch", "--quiet", "--detach", &self.head]).await?,
        };
        self.git.must(&["branch", "--quiet", "-D", name]).await.map(drop)
    }

    /// Makes a branch of what is checked out, in a working tree of its own.
    pub(crate) async fn add_worktree(&self, folder: &Path, branch: &str) -> Result<(), GitError> {
        let (add, head) = (["worktree", "add", "--quiet", "-b", branch], self.head.as_str());
        let arguments = add.iter().map(OsStr::new).chain([folder.as_os_str(), OsStr::new(head)]);
        self.git.must(&arguments.collect::<Vec<_>>()).await.map(drop)
    }

    /// Takes a working tree away, and its branch.
    pub(crate) async fn drop_worktree(&self, folder: &Path, branch: &str) -> Result<(), GitError> {
        let remove = ["worktree", "remove", "--force"].map(OsStr::new);
        self.git.must(&remove.into_iter().chain([folder.as_os_str()]).collect::<Vec<_>>()).await?;
        self.git.must(&["branch", "--quiet", "-D", branch]).await.map(drop)
    }

    /// A file below the folder in which git keeps what belongs to this working tree.
    pub(crate) async fn own_file(&self, name: &str) -> Result<PathBuf, GitError> {
        git_path(&self.git, name).await
    }
}

/// Everything that differs in a working tree from a commit, new files included.
pub(crate) async fn changes(tree: &Path, base: &str) -> Result<Changes, GitError> {
    changes::read(&Git::new(tree), base).await
}

/// The folders of a working tree that are repositories of their own and hold what no commit of this one would: new ones, and
/// submodules with changes. By path.
pub(crate) async fn own_repositories(tree: &Path, base: &str) -> Result<Vec<String>, GitError> {
    changes::own_repositories(&Git::new(tree), base).await
}

/// The branch that is checked out; `None` when it is just a commit. In full, since what git calls it for short depends on tags.
async fn current_branch(git: &Git) -> Result<Option<String>, GitError> {
    let found = git.run(&["symbolic-ref", "--quiet", "HEAD"]).await?;
    if !found.is_success() {
        return Ok(None);
    }
    Ok(found.line()?.strip_prefix("refs/heads/").map(str::to_owned))
}

/// Makes sure that a working tree is on the branch that was made for it: an agent may have switched to another one.
pub(crate) async fn is_on(tree: &Path, branch: &str) -> Result<(), GitError> {
    let found = current_branch(&Git::new(tree)).await?.unwrap_or_default();
    if found == branch { Ok(()) } else { Err(GitError::Elsewhere { branch: branch.to_owned(), found }) }
}

/// Commits everything in a working tree; gives the commit, or `None` when there is nothing to commit.
pub(crate) async fn commit(tree: &Path, message: &str) -> Result<Option<String>, GitError> {
    let git = Git::new(tree);
    // To add a file with a conflict in it would mean that it is resolved.
    let unmerged = git.must(&["diff", "--name-only", "--diff-filter=U", "-z", "--no-ext-diff"]).await?;
    if !unmerged.stdout.is_empty() {
        let named = String::from_utf8_lossy(&unmerged.stdout).trim_end_matches('\0').replace('\0', ", ");
        return Err(GitError::Unmerged { named });
    }
    git.must(&["add", "--all"]).await?;
    if git.run(&["diff", "--cached", "--quiet", "--no-ext-diff"]).await?.is_success() {
        return Ok(None);
    }
    git.must(&["commit", "--quiet", &format!("--message={message}")]).await?;
    git.must(&["rev-parse", "HEAD"]).await?.line().map(Some)
}

/// Lets git ignore what matches in the repository that a folder lies in, if it lies in one: by a file that belongs to this
/// machine's copy and is never committed.
pub(crate) async fn exclude(folder: &Path, pattern: &str) -> Result<(), GitError> {
    let git = Git::new(folder);
    if !git.run(&["rev-parse", "--is-inside-work-tree"]).await?.is_success() {
        return Ok(());
    }
    let file = git_path(&git, "info/exclude").await?;
    let fault = |source| GitError::Exclude { file: file.clone(), source };
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(fault(error)),
    };
    if text.lines().any(|line| line == pattern) {
        return Ok(());
    }
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    std::fs::create_dir_all(file.parent().unwrap_or(folder)).map_err(fault)?;
    // Another worker may add its own at the same time.
    let mut end = std::fs::OpenOptions::new().append(true).create(true).open(&file).map_err(fault)?;
    end.write_all(format!("{gap}{pattern}\n").as_bytes()).map_err(fault)
}

/// Lets git ignore exactly that folder, wherever it lies in a repository.
pub(crate) async fn exclude_folder(folder: &Path) -> Result<(), GitError> {
    let found = Git::new(folder).run(&["rev-parse", "--show-prefix"]).await?;
    if !found.is_success() {
        return Ok(());
    }
    let prefix = found.line()?;
    let mut pattern = String::from("/");
    for character in prefix.chars() {
        // What has a meaning in a pattern.
        if matches!(character, '*' | '?' | '[' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    exclude(folder, &pattern).await
}

async fn git_path(git: &Git, name: &str) -> Result<PathBuf, GitError> {
    let found: Output = git.must(&["rev-parse", "--path-format=absolute", "--git-path", name]).await?;
    found.line().map(PathBuf::from)
}

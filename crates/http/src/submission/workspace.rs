//! Which folders a task may name.

use std::path::{Path, PathBuf};

use api::Code;
use axum::http::StatusCode;
use engine::Looks;

use crate::refusal::Refusal;

/// At the folders that callers name.
pub(crate) static LOOKS: Looks = Looks::at_once(128);

/// The folders under which workspaces may lie: absolute, symlinks resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceRoots {
    roots: Vec<PathBuf>,
    /// The server's own folders, which hold everybody's conversations.
    private: PathBuf,
}

impl WorkspaceRoots {
    /// Those folders, but nothing in `private`; each must exist.
    ///
    /// # Errors
    /// When one cannot be resolved.
    pub fn resolve_all(roots: &[PathBuf], private: &Path) -> std::io::Result<Self> {
        let roots = roots.iter().map(|root| root.canonicalize()).collect::<Result<_, _>>()?;
        Ok(Self { roots, private: private.canonicalize()? })
    }

    /// Whether a task may work in a folder whose links are resolved.
    pub fn hold(&self, path: &Path) -> bool {
        self.roots.iter().any(|root| path.starts_with(root)) && !path.starts_with(&self.private)
    }

    /// Whether a path begins with one of them, as it is written.
    pub(crate) fn are_above(&self, path: &Path) -> bool {
        self.roots.iter().any(|root| path.starts_with(root))
    }

    /// The folder that `given` names, symlinks resolved. `field` names it in errors; a relative path counts from
    /// `base`, and is refused without one.
    pub(crate) async fn resolve(
        &self,
        field: &str,
        given: &Path,
        base: Option<&Path>,
    ) -> Result<PathBuf, Refusal> {
        let bad = |code, detail: String| Refusal::new(StatusCode::BAD_REQUEST, code, detail);
        let missing = |why: &str| {
            bad(Code::WorkspaceNotFound, format!("{field} {:?} {why}", given.display().to_string()))
        };
        let path = match base {
            Some(base) => base.join(given),
            None if given.is_absolute() => given.to_owned(),
            None => return Err(missing("is not an absolute path")),
        };
        let (resolved, is_folder) = match look_at(path.clone()).await {
            Ok(found) => found,
            // Nothing more can be looked at there.
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut && self.are_above(&path) => {
                let refusal = missing(&format!("cannot be looked at: {error}"));
                return Err(Refusal { status: StatusCode::SERVICE_UNAVAILABLE, ..refusal }.retry_after(5));
            }
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => {
                return Err(self.outside(field, given));
            }
            // Whether something outside the roots exists is nobody's business.
            Err(_) if !self.may_hold(path).await => return Err(self.outside(field, given)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(missing("does not exist"));
            }
            Err(error) => return Err(missing(&format!("cannot be used: {error}"))),
        };
        if !self.hold(&resolved) {
            return Err(self.outside(field, given));
        }
        if resolved.to_str().is_none() {
            return Err(not_text(field, given));
        }
        if is_folder { Ok(resolved) } else { Err(missing("is not a folder")) }
    }

    /// Whether a path that cannot be resolved lies under a root, going by its deepest folder that can.
    async fn may_hold(&self, path: PathBuf) -> bool {
        let deepest = LOOKS.look(move || {
            let there = path.ancestors().find_map(|folder| folder.canonicalize().ok());
            there.ok_or_else(|| std::io::ErrorKind::NotFound.into())
        });
        deepest.await.is_ok_and(|folder| self.hold(&folder))
    }

    fn outside(&self, field: &str, given: &Path) -> Refusal {
        let roots: Vec<_> = self.roots.iter().map(|root| root.display().to_string()).collect();
        let detail = format!(
            "{field} {:?} is not under a permitted folder ({}): choose another, or have the server started with \
             WORKSPACE_ROOTS naming its parent",
            given.display().to_string(),
            roots.join(", ")
        );
        Refusal::new(StatusCode::BAD_REQUEST, Code::WorkspaceNotAllowed, detail)
    }
}

/// Where a path leads to, and whether that is a folder; both on one trip to a thread that may block.
async fn look_at(path: PathBuf) -> std::io::Result<(PathBuf, bool)> {
    let look = move || {
        let resolved = path.canonicalize()?;
        let is_folder = resolved.metadata()?.is_dir();
        Ok((resolved, is_folder))
    };
    LOOKS.look(look).await
}

fn not_text(field: &str, given: &Path) -> Refusal {
    let detail = format!(
        "{field} {:?} leads to a folder whose path is not UTF-8, which cannot be stored: rename the folder",
        given.display().to_string()
    );
    Refusal::new(StatusCode::BAD_REQUEST, Code::WorkspaceNotAllowed, detail)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[tokio::test]
    async fn only_folders_under_a_root_are_workspaces_whatever_symlinks_say() {
        let place = tempfile::tempdir().expect("a folder");
        let root = place.path().join("root");
        let inside = root.join("w");
        std::fs::create_dir_all(&inside).expect("made");
        std::fs::create_dir_all(place.path().join("root2")).expect("made");
        std::fs::write(root.join("file"), "").expect("written");
        std::os::unix::fs::symlink("/etc", root.join("out")).expect("linked");
        std::os::unix::fs::symlink(&inside, root.join("in")).expect("linked");
        std::fs::create_dir_all(root.join("data/agents/x")).expect("made");
        let not_text = root.join(std::ffi::OsStr::from_bytes(b"\xff"));
        std::fs::create_dir_all(&not_text).expect("made");
        std::os::unix::fs::symlink(&not_text, root.join("not-text")).expect("linked");
        let roots = WorkspaceRoots::resolve_all(std::slice::from_ref(&root), &root.join("data/agents"))
            .expect("there");
        let code = async |path: PathBuf| {
            roots.resolve("workspace", &path, None).await.map_err(|refusal| refusal.code)
        };
        let inside = inside.canonicalize().expect("there");
        assert_eq!(code(root.join("w")).await, Ok(inside.clone()));
        assert_eq!(code(root.join("in")).await, Ok(inside.clone()));
        assert_eq!(code(root.join("w/../w")).await, Ok(inside.clone()));
        assert_eq!(code(root.join("file")).await, Err(Code::WorkspaceNotFound));
        assert_eq!(code(root.join("nowhere")).await, Err(Code::WorkspaceNotFound));
        assert_eq!(code("w".into()).await, Err(Code::WorkspaceNotFound));
        assert_eq!(code(root.join("out")).await, Err(Code::WorkspaceNotAllowed));
        assert_eq!(code(root.join("not-text")).await, Err(Code::WorkspaceNotAllowed));
        assert_eq!(code(root.join("../root2")).await, Err(Code::WorkspaceNotAllowed));
        assert_eq!(code(root.join("data/agents/x")).await, Err(Code::WorkspaceNotAllowed));
        assert_eq!(code("/etc/nowhere".into()).await, Err(Code::WorkspaceNotAllowed));
        assert_eq!(code("/w\0".into()).await, Err(Code::WorkspaceNotAllowed));
        let cwd = roots.resolve("options.cwd", Path::new("../w"), Some(&inside)).await;
        assert_eq!(cwd.map_err(|refusal| refusal.code), Ok(inside));
    }
}

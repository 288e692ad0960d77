//! What the servers have on which a task may run.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use api::Code;
use domain::InstanceLabel;
use engine::Handle;
use store::StoreError;

use super::invalid;
use crate::refusal::Refusal;

/// Where a submission may be worked on.
#[derive(Clone, Copy)]
pub(crate) enum Reach<'a> {
    /// Here, with these labels.
    Here(&'a BTreeSet<InstanceLabel>),
    /// At any server that shares the storage with this one.
    Anywhere(&'a Handle),
}

impl Reach<'_> {
    /// Refuses what no server could ever run. Where others may join, it waits for one that can.
    pub(super) fn check_labels(self, wanted: &BTreeSet<InstanceLabel>) -> Result<(), Refusal> {
        let Self::Here(labels) = self else { return Ok(()) };
        match wanted.difference(labels).next() {
            None => Ok(()),
            Some(missing) => {
                let detail = format!(
                    "names {missing}, which this server is not labelled with, and it shares its storage with no other: leave it \
                     out, or have the server started with STORAGE_INSTANCE_LABELS naming it"
                );
                Err(invalid("/runs_on", detail))
            }
        }
    }

    /// The folder, where another server has said that it can reach it; that one looks at it before an agent starts.
    pub(super) async fn elsewhere(self, folder: &Path, refused: Refusal) -> Result<PathBuf, Refusal> {
        let Self::Anywhere(engine) = self else { return Err(refused) };
        if !matches!(refused.code, Code::WorkspaceNotAllowed | Code::WorkspaceNotFound) {
            return Err(refused);
        }
        let Some(folder) = plain(folder) else { return Err(refused) };
        if has(engine, &folder).await? { Ok(folder) } else { Err(refused) }
    }
}

async fn has(engine: &Handle, folder: &Path) -> Result<bool, StoreError> {
    let me = engine.instance();
    let instances = engine.instances().await?;
    let mut roots = instances
        .iter()
        .filter(|instance| instance.alive && Some(&instance.id) != me.as_ref())
        .flat_map(|instance| &instance.workspace_roots);
    Ok(roots.any(|root| folder.starts_with(root)))
}

/// An absolute path that is what it looks like as far as can be told from here.
fn plain(path: &Path) -> Option<PathBuf> {
    let is_plain = |part| matches!(part, Component::RootDir | Component::Normal(_));
    let plain = path.is_absolute() && path.to_str().is_some() && path.components().all(is_plain);
    plain.then(|| path.components().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_without_surprises_are_taken_on_trust() {
        assert_eq!(plain(Path::new("/a//b/")), Some(PathBuf::from("/a/b")));
        for path in ["a/b", "", "/a/../b", "/a/.."] {
            assert_eq!(plain(Path::new(path)), None, "{path}");
        }
    }

    #[test]
    fn a_server_on_its_own_refuses_labels_that_it_has_not() {
        let label = |text: &str| InstanceLabel::parse(text).expect("a label");
        let here = BTreeSet::from([label("gpu"), label("zone=a")]);
        let check = |wanted: &[&str]| {
            let wanted = wanted.iter().map(|text| label(text)).collect();
            Reach::Here(&here).check_labels(&wanted).map_err(|refusal| refusal.detail)
        };
        assert_eq!(check(&[]), Ok(()));
        assert_eq!(check(&["zone=a"]), Ok(()));
        let refused = check(&["gpu", "zone=b"]).expect_err("it is in another zone");
        assert!(
            refused.starts_with("/runs_on names zone=b, which this server is not labelled with"),
            "{refused}"
        );
    }
}

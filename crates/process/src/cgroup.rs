//! Control groups (cgroup v2): what a child starts cannot leave its group, so the kernel kills it whole.

mod group;
mod locate;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub(crate) use group::Group;

use crate::Owner;
use crate::owner::Server;

/// The file that kills a group, in Linux since 5.14.
const KILL: &str = "cgroup.kill";
const SUBTREE_CONTROL: &str = "cgroup.subtree_control";

/// What a child's group may use. Each limit needs its controller (see [`Cgroups::controllers`]) and is left out,
/// with a warning, where that is missing. `None` is no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CgroupLimits {
    /// Memory of all processes together, in bytes (`memory.max`). The kernel kills within the group beyond it.
    pub memory_bytes: Option<u64>,
    /// Processes and threads of the group (`pids.max`).
    pub processes: Option<u64>,
    /// Processor time in percent of one processor (`cpu.max`): 150 is one and a half.
    pub cpu_percent: Option<u32>,
}

/// Which limits can be enforced here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Controllers {
    /// `memory_bytes` is.
    pub memory: bool,
    /// `processes` is.
    pub pids: bool,
    /// `cpu_percent` is.
    pub cpu: bool,
}

/// Why there are no control groups to use. Children are then found by parentage, session and marker alone.
#[derive(Debug, thiserror::Error)]
pub enum CgroupsUnavailable {
    /// No cgroup v2 hierarchy with this process in it.
    #[error("no cgroup v2 hierarchy is mounted that holds this process, mount one to have children grouped")]
    NotMounted,
    /// The hierarchy is read-only, or of a kernel without `cgroup.kill`.
    #[error(
        "cannot use the cgroup at {path:?}, delegate it to the server to have children grouped: {source}"
    )]
    NotUsable {
        /// The group that was tried.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// A place for the groups of children, one group a child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cgroups {
    base: PathBuf,
    controllers: Controllers,
}

impl Cgroups {
    /// Finds the group this process may create groups in: the nearest one that systemd delegated to it, else its
    /// own, in a unified or hybrid hierarchy. Makes a place for this owner's children there. Blocks briefly.
    ///
    /// # Errors
    /// When there is none to use: start children without one, which is safe too.
    pub fn detect(owner: &Owner) -> Result<Self, CgroupsUnavailable> {
        let parent = locate::usable_group().ok_or(CgroupsUnavailable::NotMounted)?;
        let base = place_of(&parent, owner);
        match prepare(&base) {
            Ok(()) => Ok(Self { controllers: enable_controllers(&parent, &base), base }),
            Err(source) => Err(CgroupsUnavailable::NotUsable { path: base, source }),
        }
    }

    /// Which limits can be enforced here.
    #[must_use]
    pub fn controllers(&self) -> Controllers {
        self.controllers
    }

    /// Where the groups of children are created.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.base
    }

    /// Takes the place away at the server's end, unless another server of this owner still has children there.
    pub fn retire(self) {
        match fs::remove_dir(&self.base) {
            Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ResourceBusy) => {
                tracing::warn!(path = ?self.base, %error, "cannot remove the place of the children's cgroups");
            }
            _ => {}
        }
    }

    /// Creates the group of one child, within `limits`.
    pub(crate) fn create(&self, child: &str, limits: &CgroupLimits) -> io::Result<Group> {
        let group = Group::create(self.base.join(child))?;
        let Controllers { memory, pids, cpu } = self.controllers;
        let cpu_max = limits.cpu_percent.map(|percent| format!("{} 100000", u64::from(percent) * 1000));
        let wanted = [
            (memory, "memory.max", limits.memory_bytes.map(|bytes| bytes.to_string())),
            (pids, "pids.max", limits.processes.map(|count| count.to_string())),
            (cpu, "cpu.max", cpu_max),
        ];
        for (available, file, value) in wanted {
            match value {
                Some(value) if available => group.set(file, &value)?,
                Some(value) => {
                    tracing::warn!(file, value, "no controller for this limit of a child's cgroup")
                }
                None => {}
            }
        }
        Ok(group)
    }

    /// The groups of children whose server is gone.
    pub(crate) fn orphaned(owner: &Owner) -> Vec<Group> {
        Self::of(owner, |server| server.is_neighbour() && !server.lives())
    }

    /// The groups of those servers' children.
    pub(crate) fn of(owner: &Owner, is_wanted: impl Fn(Server) -> bool) -> Vec<Group> {
        let base = locate::usable_group().map(|parent| place_of(&parent, owner));
        let entries = base.and_then(|base| fs::read_dir(base).ok());
        let groups = entries.into_iter().flatten().flatten().filter(|entry| {
            let name = entry.file_name();
            name.to_str().and_then(Server::of_child).is_some_and(&is_wanted)
        });
        groups.map(|entry| Group::existing(entry.path())).collect()
    }
}

fn place_of(parent: &Path, owner: &Owner) -> PathBuf {
    parent.join(format!("agents-{owner}"))
}

/// Makes the base, and makes sure that groups in it can be killed.
fn prepare(base: &Path) -> io::Result<()> {
    match fs::create_dir(base) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    fs::OpenOptions::new().write(true).open(base.join(KILL)).map(drop)
}

/// Hands the controllers that there are down to the groups of children. A group that itself holds processes
/// cannot, unless it is the root: run the server in a leaf (systemd: `DelegateSubgroup=`).
fn enable_controllers(parent: &Path, base: &Path) -> Controllers {
    let enable = |controller: &str| {
        [parent, base]
            .iter()
            .all(|group| fs::write(group.join(SUBTREE_CONTROL), format!("+{controller}")).is_ok())
    };
    Controllers { memory: enable("memory"), pids: enable("pids"), cpu: enable("cpu") }
}

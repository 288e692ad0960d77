//! What a child is started with.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use crate::{CgroupLimits, Cgroups, Owner};

/// Everything a child is started with. Its environment is exactly `env` plus the marker variable of its
/// [`Owner`]: nothing is inherited.
#[derive(Clone)]
pub struct Spec {
    /// The program. Without a `/` it is looked up in the `PATH` of `env`.
    pub program: PathBuf,
    /// Its arguments, without the program's own name.
    pub args: Vec<OsString>,
    /// Its whole environment.
    pub env: Vec<(OsString, OsString)>,
    /// The directory it starts in; must exist.
    pub cwd: PathBuf,
    /// The server instance that owns it.
    pub owner: Owner,
    /// What it may use; nothing is limited by default.
    pub limits: Limits,
    /// The control group it gets, if there are any to use; see [`Cgroups::detect`].
    pub cgroup: Option<CgroupSpec>,
}

/// Without the values of `env`, which may be secrets.
impl fmt::Debug for Spec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.env.iter().map(|(name, _)| name).collect();
        formatter
            .debug_struct("Spec")
            .field("program", &self.program)
            .field("args", &self.args)
            .field("env", &names)
            .field("cwd", &self.cwd)
            .field("owner", &self.owner)
            .field("limits", &self.limits)
            .field("cgroup", &self.cgroup)
            .finish()
    }
}

/// A control group of the child's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CgroupSpec {
    /// Where the group is created.
    pub groups: Cgroups,
    /// What the child and all it starts may use together.
    pub limits: CgroupLimits,
}

/// Resource limits (`setrlimit(2)`, soft and hard alike) that the child and all it starts inherit.
/// `None` leaves the server's own limit in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Address space of each process, in bytes (`RLIMIT_AS`). JavaScript engines reserve far more than they use.
    pub address_space_bytes: Option<u64>,
    /// Open file descriptors of each process (`RLIMIT_NOFILE`).
    pub open_files: Option<u64>,
    /// Processes and threads of the child's *user*, not of the child alone (`RLIMIT_NPROC`); root is exempt.
    pub processes: Option<u64>,
    /// Size of a core dump in bytes (`RLIMIT_CORE`); 0 keeps memory of the child off the disk.
    pub core_bytes: Option<u64>,
}

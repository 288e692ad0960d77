//! Life and death of a child process. Knows nothing of Claude.
//!
//! [`spawn`] starts a child in a session of its own with exactly the environment it is given; [`Life`] watches
//! it, keeps the end of its stderr and ends it with its whole tree, climbing a [`Ladder`] and answering with a
//! [`Receipt`]. Whatever an earlier server left behind is removed by [`sweep`].
//!
//! Linux 5.11 or newer with `/proc` mounted: processes are named by pidfd and start time, never by pid alone.
//!
//! What keeps a child from outliving its keeper:
//! - its tree is killed when it exits, when it is stopped, and when its last [`Life`] or its runtime goes;
//! - when the server dies, the kernel sends it `SIGTERM`; a process beside the server ends the rest ([`LeftBehind`]), or the next start's
//!   [`sweep`];
//! - a control group of its own ([`Cgroups`]) holds even those that hide from the process table;
//! - [`adopt_orphans`] keeps orphaned descendants children of the server, reaped and counted, and looks a second after the end
//!   of a child for what others run with its marker.

mod adopted;
mod cgroup;
mod exit_event;
mod fork;
mod image;
mod keeper;
mod life;
mod orphans;
mod own_children;
mod owner;
mod pipe_probe;
mod proc_table;
mod receipt;
mod root;
mod spawn;
mod spawner;
mod spec;
mod stderr_tail;
mod stragglers;
mod sweep;
mod tree;
mod vitals;

pub use cgroup::{CgroupLimits, Cgroups, CgroupsUnavailable, Controllers};
pub use life::{Child, DRAIN_LIMIT, Life};
pub use orphans::{Orphans, adopt_orphans};
pub use owner::{InvalidOwner, MARKER_VARIABLE, Owner, ServerName};
pub use receipt::{Containment, Exit, Ladder, Receipt, Rung, RungReport};
pub use spawn::{SpawnError, spawn};
pub use spec::{CgroupSpec, Limits, Spec};
pub use stderr_tail::STDERR_TAIL_BYTES;
pub use sweep::{LeftBehind, SweepReport, end_children_of, sweep};
pub use vitals::Vitals;

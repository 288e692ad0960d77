//! Who owns a child, written into the child's environment so that its descendants can be found.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use crate::proc_table::{self, Identity};

/// The environment variable that marks a child and, by inheritance, its descendants:
/// `<owner>/<pid namespace>-<server pid>-<server start>-<number>`.
pub const MARKER_VARIABLE: &str = "AGENT_PROCESS_OWNER";

const NAME_LIMIT: usize = 64;

/// Names the server instance that owns children. Give the same name at every start of the same server (derive
/// it from its data directory), or [`sweep`](crate::sweep) cannot find what an earlier run left behind.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owner(String);

/// The name of an [`Owner`] that cannot be written into a marker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("owner name {name:?} must be 1 to {NAME_LIMIT} ASCII letters, digits, '.', '_' or '-'")]
pub struct InvalidOwner {
    /// The refused name.
    pub name: String,
}

impl Owner {
    /// An owner called `name`.
    ///
    /// # Errors
    /// When the name is empty, longer than 64 bytes, or holds anything but ASCII letters, digits, `.`, `_`, `-`.
    pub fn new(name: &str) -> Result<Self, InvalidOwner> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if name.is_empty() || name.len() > NAME_LIMIT || !name.bytes().all(allowed) {
            return Err(InvalidOwner { name: name.to_owned() });
        }
        Ok(Self(name.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Names one process for good, as text: what another process on the machine can tell it by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerName(pub(crate) Server);

impl ServerName {
    /// This process, or `None` without a readable `/proc`.
    #[must_use]
    pub fn this() -> Option<Self> {
        Server::this().map(Self)
    }

    /// Reads what [`Display`](fmt::Display) wrote; `None` for anything else.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        // A child's name is that of its server, and a number.
        Server::of_child(&format!("{name}-0")).map(Self)
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Server { namespace, process } = self.0;
        write!(formatter, "{namespace}-{}-{}", process.pid, process.start)
    }
}

/// One server process. The start time tells it from a later process with the same pid, the namespace from one
/// of another container whose pids mean something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Server {
    pub(crate) namespace: u64,
    pub(crate) process: Identity,
}

impl Server {
    /// This process, or `None` without a readable `/proc`.
    pub(crate) fn this() -> Option<Self> {
        static THIS: OnceLock<Option<Server>> = OnceLock::new();
        *THIS.get_or_init(|| {
            let process = proc_table::row(std::process::id()).ok()??.identity;
            Some(Server { namespace: proc_table::pid_namespace()?, process })
        })
    }

    /// The server in the id of a child, `<pid namespace>-<server pid>-<server start>-<number>`.
    pub(crate) fn of_child(id: &str) -> Option<Self> {
        parse_child(id).map(|(server, _)| server)
    }

    /// Whether its pid means the same here: a process of another container cannot be judged.
    pub(crate) fn is_neighbour(self) -> bool {
        Self::this().is_some_and(|this| this.namespace == self.namespace)
    }

    /// Whether that very process still runs; when that cannot be told, it does.
    pub(crate) fn lives(self) -> bool {
        match proc_table::row(self.process.pid) {
            Ok(Some(row)) => row.identity == self.process && row.is_alive(),
            // With `hidepid`, /proc shows nothing of a server that may not be looked into.
            Ok(None) => is_there(self.process.pid),
            Err(_) => true,
        }
    }
}

/// Whether the kernel has a process with that number, whoever's it is.
fn is_there(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid) != Err(Errno::SRCH))
}

/// The value of [`MARKER_VARIABLE`], unique to one child.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Marker {
    pub(crate) owner: Owner,
    pub(crate) server: Server,
    pub(crate) number: u64,
}

impl Marker {
    /// A marker that no other child has.
    pub(crate) fn next(owner: Owner, server: Server) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        Self { owner, server, number: NUMBER.fetch_add(1, Ordering::Relaxed) }
    }

    /// Reads what [`Display`](fmt::Display) wrote; `None` for anything else.
    pub(crate) fn parse(value: &str) -> Option<Self> {
        let (owner, id) = value.split_once('/')?;
        let (server, number) = parse_child(id)?;
        Some(Self { owner: Owner::new(owner).ok()?, server, number })
    }

    /// The part that names the child.
    pub(crate) fn child(&self) -> String {
        format!("{}-{}", ServerName(self.server), self.number)
    }
}

fn parse_child(id: &str) -> Option<(Server, u64)> {
    let mut parts = id.split('-').map(|part| part.parse::<u64>().ok());
    let mut number = || parts.next()?;
    let (namespace, pid, start, child) = (number()?, number()?, number()?, number()?);
    let process = Identity { pid: u32::try_from(pid).ok()?, start };
    parts.next().is_none().then_some((Server { namespace, process }, child))
}

impl fmt::Display for Marker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.owner, self.child())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_survives_the_environment() {
        let process = Identity { pid: 41, start: 977 };
        let marker = Marker {
            owner: Owner::new("data-1.a_b").unwrap(),
            server: Server { namespace: 4_026_531_836, process },
            number: 7,
        };
        assert_eq!(marker.to_string(), "data-1.a_b/4026531836-41-977-7");
        assert_eq!(Marker::parse(&marker.to_string()), Some(marker));
    }

    #[test]
    fn a_server_is_told_by_its_name() {
        let this = ServerName::this().unwrap();
        assert_eq!(ServerName::parse(&this.to_string()), Some(this));
        for name in ["", "1", "1-2", "1-2-3-4", "1-2-x"] {
            assert_eq!(ServerName::parse(name), None, "{name}");
        }
    }

    #[test]
    fn a_process_is_there_until_it_was_reaped() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        assert!(is_there(child.id()) && is_there(1));
        child.wait().unwrap();
        assert!(!is_there(child.id()));
    }

    #[test]
    fn what_is_no_marker_is_refused() {
        for value in ["", "a", "a/", "a/1-2-3", "a/1-2-3-4-5", "/1-2-3-4", "a b/1-2-3-4", "a/1-2-x-4"] {
            assert_eq!(Marker::parse(value), None, "{value}");
        }
    }

    #[test]
    fn owner_names_are_short_ascii() {
        let long = "x".repeat(65);
        for name in ["", "a/b", "a b", "ü", "a\n", long.as_str()] {
            assert_eq!(Owner::new(name), Err(InvalidOwner { name: name.to_owned() }));
        }
        assert_eq!(Owner::new("server-1").unwrap().name(), "server-1");
    }
}

//! The table of processes, read from `/proc`.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::owner::{MARKER_VARIABLE, Marker};

/// The kernel allows an environment of several megabytes; more than this is not read.
const ENVIRON_LIMIT: u64 = 8 << 20;
/// Most environments are smaller than this.
const ENVIRON_BYTES: usize = 16 << 10;
/// More than 52 numbers and a name take.
const STAT_BYTES: usize = 2048;

/// A process across pid reuse: a later process with the same pid started later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    pub(crate) pid: u32,
    /// Start in clock ticks since boot, field 22 of `/proc/<pid>/stat`.
    pub(crate) start: u64,
}

impl Identity {
    /// Whether this very process lives.
    ///
    /// # Errors
    /// As [`row`].
    pub(crate) fn lives(self) -> io::Result<bool> {
        Ok(row(self.pid)?.is_some_and(|row| row.identity == self && row.is_alive()))
    }

    /// A descriptor of exactly this process, or `None` when it is gone.
    ///
    /// # Errors
    /// When the process exists and no descriptor can be had, for example because the table of files is full.
    pub(crate) fn open(self) -> io::Result<Option<OwnedFd>> {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else { return Ok(None) };
        let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            Err(Errno::SRCH) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        };
        // Looked up again after opening: if the start still fits, the descriptor is of the process we mean.
        Ok(row(self.pid)?.filter(|row| row.identity == self).map(|_| pidfd))
    }
}

/// Sends a signal through a descriptor; a process that is already gone is no error.
pub(crate) fn send(pidfd: &OwnedFd, signal: Signal) -> io::Result<()> {
    match pidfd_send_signal(pidfd, signal) {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// One process as `/proc/<pid>/stat` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) identity: Identity,
    pub(crate) parent: u32,
    pub(crate) session: u32,
    state: u8,
    threads: u32,
    pub(crate) usage: Usage,
}

/// What a process has used so far, in the kernel's units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Processor time of its own, in clock ticks.
    pub(crate) own_ticks: u64,
    /// Processor time of its children that it waited for, in clock ticks.
    pub(crate) waited_ticks: u64,
    /// Resident memory.
    pub(crate) pages: u64,
}

impl Row {
    /// False for a zombie, unless only its first thread has ended and others go on.
    pub(crate) fn is_alive(&self) -> bool {
        !matches!(self.state, b'Z' | b'X') || self.threads > 1
    }

    fn parse(stat: &[u8]) -> Option<Self> {
        // The program's name stands in parentheses and may hold anything, parentheses and spaces too.
        let open = stat.iter().position(|&byte| byte == b'(')?;
        let close = stat.iter().rposition(|&byte| byte == b')')?;
        let pid = std::str::from_utf8(stat.get(..open)?).ok()?.trim().parse().ok()?;
        let rest = std::str::from_utf8(stat.get(close + 1..)?).ok()?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<u32>().ok();
        let large = |index: usize| fields.get(index)?.parse::<u64>().ok();
        Some(Self {
            identity: Identity { pid, start: large(19)? },
            parent: number(1)?,
            session: number(3)?,
            state: *fields.first()?.as_bytes().first()?,
            threads: number(17)?,
            usage: Usage {
                own_ticks: large(11)?.saturating_add(large(12)?),
                // Signed in the kernel, and never below 0.
                waited_ticks: large(13)?.saturating_add(large(14)?),
                pages: large(21)?,
            },
        })
    }
}

/// The process with this pid, or `None` when there is none to be seen.
///
/// # Errors
/// When the server itself is out of descriptors or memory, so that nothing can be said about the process.
pub(crate) fn row(pid: u32) -> io::Result<Option<Row>> {
    // One read gives the whole line; reading to the end in growing steps would triple the cost of a scan.
    let mut line = [0; STAT_BYTES];
    match File::open(format!("/proc/{pid}/stat")).and_then(|mut file| file.read(&mut line)) {
        Ok(length) => Ok(line.get(..length).and_then(Row::parse)),
        Err(error) if is_exhaustion(&error) => Err(error),
        Err(_) => Ok(None),
    }
}

/// The session of this process: 0 when its leader is outside of this pid namespace, as in a container that a shell
/// of the host was let into. Read from the table, because that 0 is no pid, and no pid is what `getsid` promises.
///
/// # Errors
/// When `/proc` does not show this process.
pub(crate) fn own_session() -> io::Result<u32> {
    let this = row(std::process::id())?;
    this.map(|row| row.session).ok_or_else(|| io::Error::other("/proc does not show this process: mount it"))
}

/// The pids of all processes. Not a snapshot: what starts or ends meanwhile may be missing or still be there.
///
/// # Errors
/// When `/proc` cannot be read.
pub(crate) fn pids() -> io::Result<Vec<u32>> {
    let mut pids = Vec::new();
    for entry in fs::read_dir("/proc")? {
        pids.extend(entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
    }
    Ok(pids)
}

/// All processes.
///
/// # Errors
/// As [`pids`] and [`row`]: a process is never left out because of the server's own plight.
pub(crate) fn rows() -> io::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for pid in pids()? {
        rows.extend(row(pid)?);
    }
    Ok(rows)
}

fn is_exhaustion(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error().map(Errno::from_raw_os_error),
        Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM)
    )
}

/// What a process's environment says about its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mark {
    /// It carries this marker.
    Of(Marker),
    /// It was started without one.
    None,
    /// Its environment cannot be read (other user, gone, or being replaced by `exec`).
    Unknown,
}

/// The mark in the environment that a process was started with.
pub(crate) fn mark(pid: u32) -> Mark {
    let mut environ = Vec::with_capacity(ENVIRON_BYTES);
    let read = File::open(format!("/proc/{pid}/environ"))
        .and_then(|file| file.take(ENVIRON_LIMIT).read_to_end(&mut environ));
    if read.is_err() || environ.is_empty() {
        return Mark::Unknown;
    }
    let marker = environ.split(|&byte| byte == 0).find_map(|entry| {
        let value = std::str::from_utf8(entry).ok()?.strip_prefix(MARKER_VARIABLE)?.strip_prefix('=')?;
        Marker::parse(value)
    });
    marker.map_or(Mark::None, Mark::Of)
}

/// The inode of this process's pid namespace, from `pid:[<inode>]`.
pub(crate) fn pid_namespace() -> Option<u64> {
    let link = fs::read_link("/proc/self/ns/pid").ok()?;
    link.to_str()?.strip_prefix("pid:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_shift_the_fields() {
        let stat = b"17 (a) b (c) S 3 4 5 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 9 0 777 1 2 3";
        let expected = Row {
            identity: Identity { pid: 17, start: 777 },
            parent: 3,
            session: 5,
            state: b'S',
            threads: 9,
            usage: Usage { own_ticks: 5 + 6, waited_ticks: 7 + 8, pages: 2 },
        };
        assert_eq!(Row::parse(stat), Some(expected));
    }

    #[test]
    fn a_zombie_is_dead_unless_other_threads_go_on() {
        let row = |state, threads| Row {
            identity: Identity { pid: 1, start: 1 },
            parent: 0,
            session: 0,
            state,
            threads,
            usage: Usage::default(),
        };
        let alive =
            [row(b'S', 1), row(b'T', 1), row(b'Z', 2), row(b'Z', 1), row(b'X', 0)].map(|row| row.is_alive());
        assert_eq!(alive, [true, true, true, false, false]);
    }

    #[test]
    fn this_process_is_in_the_table() {
        let this = row(std::process::id()).unwrap().unwrap();
        assert!(rows().unwrap().iter().any(|row| row.identity == this.identity && row.is_alive()));
    }
}

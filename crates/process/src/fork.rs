//! What happens in the child between fork and exec.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{
    Pid, Resource, Rlimit, Signal, getpid, getppid, set_parent_process_death_signal, setrlimit, setsid,
};

use crate::Limits;

/// Highest signal number on Linux.
const LAST_SIGNAL: libc::c_int = 64;
const SIGNAL_SET_BYTES: usize = 8;
const CLOSE_RANGE_CLOEXEC: libc::c_uint = 4;

/// Makes `command`'s child a session of its own that dies with the calling *thread*, is bound to `limits`,
/// has all signals at their defaults and inherits no descriptor but its three streams. It joins the control group
/// whose door is given.
pub(crate) fn prepare(command: &mut Command, limits: &Limits, door: Option<File>) {
    let parent = getpid();
    let limits: Vec<(Resource, u64)> = [
        (Resource::As, limits.address_space_bytes),
        (Resource::Nofile, limits.open_files),
        (Resource::Nproc, limits.processes),
        (Resource::Core, limits.core_bytes),
    ]
    .into_iter()
    .filter_map(|(resource, limit)| Some((resource, limit?)))
    .collect();
    // SAFETY: the closure runs in the forked child of a threaded process, where only async-signal-safe calls are
    // allowed. It makes bare system calls, takes no lock and allocates nothing; errors are plain error numbers.
    #[expect(unsafe_code, reason = "the steps between fork and exec")]
    unsafe {
        command.pre_exec(move || in_child(parent, &limits, door.as_ref()));
    }
}

fn in_child(parent: Pid, limits: &[(Resource, u64)], door: Option<&File>) -> io::Result<()> {
    setsid()?;
    if let Some(door) = door {
        // 0 is the writer itself. The parent looks whether it worked.
        rustix::io::write(door, b"0").ok();
    }
    set_parent_process_death_signal(Some(Signal::TERM))?;
    // The parent may have died before the line above, and then no signal comes.
    if getppid() != Some(parent) {
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    }
    reset_signals();
    close_on_exec()?;
    for &(resource, limit) in limits {
        setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })?;
    }
    Ok(())
}

/// A handler ends with exec, but an ignored or blocked signal would stay so in the child.
fn reset_signals() {
    // The kernel's `struct sigaction`, all zero: the default, no flags, an empty mask. The C library's own call
    // refuses two signals that it keeps for itself.
    let default = [0_u64; 4];
    let none = 0_u64;
    // SAFETY: bare system calls on this forked child's own signal state. They read 32 and 8 bytes of this stack,
    // which is what the kernel's structures hold, and write nothing. SIGKILL and SIGSTOP are refused, and need none.
    #[expect(unsafe_code, reason = "no safe wrapper that is fit for a forked child")]
    unsafe {
        let null = std::ptr::null_mut::<u64>();
        for number in 1..=LAST_SIGNAL {
            libc::syscall(libc::SYS_rt_sigaction, number, default.as_ptr(), null, SIGNAL_SET_BYTES);
        }
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const none, null, SIGNAL_SET_BYTES);
    }
}

/// Marks every descriptor above stderr, also those the server itself inherited without the mark.
fn close_on_exec() -> io::Result<()> {
    // SAFETY: a system call on numbers only; it changes flags of this forked child's own descriptor table.
    #[expect(unsafe_code, reason = "rustix has no close_range")]
    let result = unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, CLOSE_RANGE_CLOEXEC) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

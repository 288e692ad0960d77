//! Forking a child, and what happens in it before it runs its program.
//!
//! Not `std::process::Command`: that copies the page tables of the whole server when anything is to happen in the
//! child, which takes tens of milliseconds and stops its other threads once the server has some memory. As
//! `posix_spawn` does, the child here borrows the memory of the forking thread, which sleeps meanwhile.

use std::cell::Cell;
use std::ffi::{CString, c_char, c_int, c_void};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use rustix::io::Errno;
use rustix::process::{
    Pid, Resource, Rlimit, Signal, chdir, getpid, getppid, set_parent_process_death_signal, setrlimit, setsid,
};

use crate::Limits;

/// Highest signal number on Linux.
const LAST_SIGNAL: c_int = 64;
/// The kernel's set of signals is a bit for each of them.
const SIGNAL_SET_BYTES: usize = 8;
/// The child needs a few hundred bytes; it calls nothing but the system.
const STACK_BYTES: usize = 64 * 1024;

/// What the child is to become.
pub(crate) struct Image<'a> {
    /// Where the program may be; the first that can be executed is.
    pub(crate) programs: Vec<CString>,
    pub(crate) argv: Vec<CString>,
    pub(crate) env: Vec<CString>,
    pub(crate) cwd: CString,
    /// Its stdin, stdout and stderr. None of them may be one of the descriptors 0 to 2.
    pub(crate) streams: [BorrowedFd<'a>; 3],
    /// `cgroup.procs` of the group it joins. Whether that worked is for the caller to look up.
    pub(crate) door: Option<BorrowedFd<'a>>,
    pub(crate) limits: Limits,
}

/// Where the child failed to become what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Forking, or anything but the two below.
    Setup,
    /// Entering the working directory.
    Directory,
    /// Running the program.
    Program,
}

/// What the child works with: borrowed from the forking thread, in memory that both see.
struct Plan<'a> {
    parent: Pid,
    image: &'a Image<'a>,
    limits: &'a [(Resource, u64)],
    programs: &'a [*const c_char],
    argv: &'a [*const c_char],
    env: &'a [*const c_char],
    failure: Cell<Option<(Stage, Errno)>>,
}

/// Forks a child that leads a session of its own, dies with the calling *thread*, has all signals at their defaults
/// and no descriptor but its three streams. Returns its pid once it runs the program.
pub(crate) fn fork(image: &Image<'_>) -> Result<u32, (Stage, io::Error)> {
    let limits = listed(&image.limits);
    let (programs, argv, env) = (pointers(&image.programs), pointers(&image.argv), pointers(&image.env));
    let plan = Plan {
        parent: getpid(),
        image,
        limits: &limits,
        programs: &programs,
        argv: &argv,
        env: &env,
        failure: Cell::new(None),
    };
    let pid = clone_child(&plan).map_err(|error| (Stage::Setup, error))?;
    match plan.failure.get() {
        None => Ok(pid.as_raw_nonzero().get().unsigned_abs()),
        Some((stage, errno)) => {
            // It has ended by now; this takes its zombie away.
            rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty()).ok();
            Err((stage, errno.into()))
        }
    }
}

/// Ends with a null, as the system wants it.
fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
}

fn listed(limits: &Limits) -> Vec<(Resource, u64)> {
    let all = [
        (Resource::As, limits.address_space_bytes),
        (Resource::Nofile, limits.open_files),
        (Resource::Nproc, limits.processes),
        (Resource::Core, limits.core_bytes),
    ];
    all.into_iter().filter_map(|(resource, limit)| Some((resource, limit?))).collect()
}

/// Returns when the child runs its program or has ended.
fn clone_child(plan: &Plan<'_>) -> io::Result<Pid> {
    let mut stack = vec![0_u128; STACK_BYTES / size_of::<u128>()];
    let top = stack.as_mut_ptr_range().end;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    let before = set_signal_mask(u64::MAX);
    // SAFETY: the child runs `child_main` on a stack of its own, aligned to 16 bytes, in the memory of this process.
    // This thread sleeps until the child has executed a program or ended, so `plan`, all that it borrows and the
    // stack outlive the child's use of them, and nothing here changes meanwhile. All signals are blocked, so that no
    // handler of this process runs in the child. The child calls nothing but the system: it takes no lock of
    // another thread and allocates nothing; what it changes (directory, descriptors, signals) is a copy of its own.
    #[expect(unsafe_code, reason = "a child that shares the memory until it executes a program")]
    let pid = unsafe { libc::clone(child_main, top.cast(), flags, ptr::from_ref(plan).cast_mut().cast()) };
    let error = io::Error::last_os_error();
    set_signal_mask(before);
    Pid::from_raw(pid).filter(|_| pid > 0).ok_or(error)
}

/// In the child. The value is its exit code if it comes to nothing.
extern "C" fn child_main(plan: *mut c_void) -> c_int {
    // SAFETY: `clone_child` passes a plan that lives until this child has executed a program or ended.
    #[expect(unsafe_code, reason = "the argument of a thread of the C library is untyped")]
    let plan = unsafe { &*plan.cast::<Plan<'_>>() };
    plan.failure.set(Some(execute(plan)));
    127
}

/// Returns only if it fails.
fn execute(plan: &Plan<'_>) -> (Stage, Errno) {
    if let Err(errno) = set_up(plan) {
        return (Stage::Setup, errno);
    }
    if let Err(errno) = chdir(plan.image.cwd.as_c_str()) {
        return (Stage::Directory, errno);
    }
    // As late as possible, since it may forbid the steps before.
    for &(resource, limit) in plan.limits {
        if let Err(errno) = setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) }) {
            return (Stage::Setup, errno);
        }
    }
    let mut reason = Errno::NOENT;
    for program in plan.programs.iter().filter(|program| !program.is_null()) {
        // SAFETY: the path is a C string, and both lists are lists of C strings that end with a null.
        #[expect(unsafe_code, reason = "rustix has no execve")]
        unsafe {
            libc::execve(*program, plan.argv.as_ptr(), plan.env.as_ptr())
        };
        match Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::NOENT) {
            Errno::NOENT | Errno::NOTDIR => {}
            // Further on in the PATH there may be one that can be executed.
            Errno::ACCESS => reason = Errno::ACCESS,
            other => return (Stage::Program, other),
        }
    }
    (Stage::Program, reason)
}

fn set_up(plan: &Plan<'_>) -> Result<(), Errno> {
    setsid()?;
    if let Some(door) = plan.image.door {
        // 0 is the writer itself.
        rustix::io::write(door, b"0").ok();
    }
    set_parent_process_death_signal(Some(Signal::TERM))?;
    // The parent may have died before the line above, and then no signal comes.
    if getppid() != Some(plan.parent) {
        return Err(Errno::SRCH);
    }
    for (number, stream) in (0..).zip(plan.image.streams) {
        dup_to(stream.as_raw_fd(), number)?;
    }
    close_on_exec()?;
    reset_signals();
    Ok(())
}

fn dup_to(from: c_int, to: c_int) -> Result<(), Errno> {
    // SAFETY: a system call on numbers only; it changes this child's own table of descriptors.
    #[expect(unsafe_code, reason = "the target is a number, not a descriptor that anybody owns")]
    let result = unsafe { libc::syscall(libc::SYS_dup3, from, to, 0) };
    checked(result)
}

/// Marks every descriptor above stderr, also those the server itself inherited without the mark.
fn close_on_exec() -> Result<(), Errno> {
    let (first, last, flags) = (3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC);
    // SAFETY: a system call on numbers only; it changes this child's own table of descriptors.
    #[expect(unsafe_code, reason = "rustix has no close_range")]
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) };
    checked(result)
}

/// A handler ends with exec, but an ignored or blocked signal would stay so in the program.
fn reset_signals() {
    // The kernel's `struct sigaction`, all zero: the default, no flags, an empty mask. The C library's own call
    // refuses two signals that it keeps for itself.
    let default = [0_u64; 4];
    for number in 1..=LAST_SIGNAL {
        // SAFETY: reads 32 bytes of this stack, which is what the kernel's structure holds, and writes nothing. The
        // dispositions are this child's own. SIGKILL and SIGSTOP are refused, and need no reset.
        #[expect(unsafe_code, reason = "the C library keeps two signals to itself")]
        unsafe {
            let none = ptr::null_mut::<u64>();
            libc::syscall(libc::SYS_rt_sigaction, number, default.as_ptr(), none, SIGNAL_SET_BYTES)
        };
    }
    set_signal_mask(0);
}

/// Blocks these signals, a bit each, in this thread, and returns what was blocked before.
fn set_signal_mask(mask: u64) -> u64 {
    let mut before = 0_u64;
    // SAFETY: reads and writes 8 bytes of this stack each, which is the size of the kernel's set.
    #[expect(unsafe_code, reason = "the C library keeps two signals to itself")]
    unsafe {
        let (new, old) = (&raw const mask, &raw mut before);
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, new, old, SIGNAL_SET_BYTES)
    };
    before
}

fn checked(result: libc::c_long) -> Result<(), Errno> {
    if result >= 0 {
        return Ok(());
    }
    Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::INVAL))
}

//! Looks at processes from outside: those that a server left behind, those that it has, and what it takes.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Between two looks of a watch: less than the shortest life of an agent.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// `sysconf(_SC_CLK_TCK)`, which Linux has promised to leave at that.
const TICKS_PER_SECOND: f64 = 100.0;

/// Pids of processes whose environment or command line mentions a folder. Zombies have neither.
pub fn which_mention(folder: &Path) -> Vec<u32> {
    let wanted = folder.display().to_string().into_bytes();
    let holds = |file: &Path| {
        std::fs::read(file).is_ok_and(|bytes| bytes.windows(wanted.len()).any(|window| window == wanted))
    };
    pids()
        .filter(|pid| *pid != std::process::id())
        .filter(|pid| {
            let process = Path::new("/proc").join(pid.to_string());
            holds(&process.join("environ")) || holds(&process.join("cmdline"))
        })
        .collect()
}

fn pids() -> impl Iterator<Item = u32> {
    let processes = std::fs::read_dir("/proc").expect("a process table");
    processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// Waits until no process mentions a folder.
pub async fn wait_until_none_mention(folder: &Path, within: Duration) {
    let deadline = Instant::now() + within;
    loop {
        let left = which_mention(folder);
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "processes are left: {left:?}");
        // The process table has no event to wait for.
        sleep(Duration::from_millis(20)).await;
    }
}

/// What the kernel says of a process, from its state on; `None` when it is gone.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name, in parentheses, may hold anything.
    let (_, fields) = text.rsplit_once(')')?;
    Some(fields.split_whitespace().map(str::to_owned).collect())
}

/// The living children of a process. Zombies are none.
pub fn children(parent: u32) -> Vec<u32> {
    let parent = parent.to_string();
    let is_child = |pid: &u32| {
        let fields = stat(*pid).unwrap_or_default();
        let state = fields.first().map_or("X", String::as_str);
        !matches!(state, "Z" | "X") && fields.get(1) == Some(&parent)
    };
    pids().filter(is_child).collect()
}

/// A process's command line; empty when it is gone.
fn arguments(pid: u32) -> Vec<u8> {
    std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()
}

fn is_warden(pid: u32) -> bool {
    arguments(pid).split(|byte| *byte == 0).nth(1) == Some(b"warden")
}

/// The living agents of a server: its children, without its warden and those that do not run their own program yet.
pub fn agents(server: u32) -> Vec<u32> {
    let own = arguments(server);
    let is_agent = |pid: &u32| {
        let arguments = arguments(*pid);
        !arguments.is_empty() && arguments != own && !is_warden(*pid)
    };
    children(server).into_iter().filter(is_agent).collect()
}

/// The living warden of a server, when it has one.
pub fn warden(server: u32) -> Option<u32> {
    children(server).into_iter().find(|pid| is_warden(*pid))
}

/// Processor time that a process has used, without its children's.
pub fn cpu_time(pid: u32) -> Duration {
    let fields = stat(pid).expect("it runs");
    let ticks = |field: usize| fields.get(field).and_then(|text| text.parse().ok()).unwrap_or(0.0);
    Duration::from_secs_f64((ticks(11) + ticks(12)) / TICKS_PER_SECOND)
}

/// KiB of one kind of memory that a process has, under the name that `smaps_rollup` has for it, such as `Pss`; `None` when it is gone.
pub fn memory_kib(pid: u32, kind: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let amount = text.lines().find_map(|line| line.strip_prefix(kind)?.strip_prefix(':'))?;
    amount.split_whitespace().next()?.parse().ok()
}

/// Watches a server's agents all the time.
pub struct AgentWatch {
    ended: Arc<AtomicBool>,
    thread: JoinHandle<(usize, u64)>,
}

impl AgentWatch {
    /// Begins.
    pub fn of(server: u32) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let ended = Arc::clone(&ended);
            move || {
                let (mut most, mut looks) = (0, 0);
                while !ended.load(Ordering::Relaxed) {
                    most = most.max(agents(server).len());
                    looks += 1;
                    std::thread::sleep(LOOK_EVERY);
                }
                (most, looks)
            }
        });
        Self { ended, thread }
    }

    /// The most that there ever were at once, and how often was looked.
    pub fn most(self) -> (usize, u64) {
        self.ended.store(true, Ordering::Relaxed);
        self.thread.join().expect("a watch")
    }
}

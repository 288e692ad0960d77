//! Looks for processes that a server left behind.

use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Pids of processes whose environment or command line mentions a folder. Zombies have neither.
pub fn which_mention(folder: &Path) -> Vec<u32> {
    let wanted = folder.display().to_string().into_bytes();
    let holds = |file: &Path| {
        std::fs::read(file).is_ok_and(|bytes| bytes.windows(wanted.len()).any(|window| window == wanted))
    };
    let processes = std::fs::read_dir("/proc").expect("a process table");
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| *pid != std::process::id())
        .filter(|pid| {
            let process = Path::new("/proc").join(pid.to_string());
            holds(&process.join("environ")) || holds(&process.join("cmdline"))
        })
        .collect()
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

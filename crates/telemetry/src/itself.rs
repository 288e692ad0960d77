//! What the server's process uses, as Linux tells it.

use std::fs;

/// What a process uses.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    pub(crate) resident_bytes: u64,
    pub(crate) cpu_seconds: f64,
    pub(crate) open_files: u64,
    pub(crate) threads: u64,
}

impl Usage {
    /// Of this process; what the system does not tell is 0.
    pub(crate) fn of_this_process() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        Self {
            resident_bytes: number("VmRSS:").unwrap_or(0) * 1024,
            threads: number("Threads:").unwrap_or(0),
            open_files: fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64),
            cpu_seconds: cpu_seconds().unwrap_or(0.0),
        }
    }
}

fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The program's name, in brackets, may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    let total = ticks()? + ticks()?;
    #[expect(clippy::cast_precision_loss, reason = "a hundred or so")]
    let per_second = rustix::param::clock_ticks_per_second() as f64;
    Some(total / per_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_process_uses_something_of_everything() {
        let usage = Usage::of_this_process();
        assert!(usage.resident_bytes > 100_000 && usage.open_files > 2 && usage.threads > 0, "{usage:?}");
        assert!(usage.cpu_seconds >= 0.0, "{usage:?}");
    }
}

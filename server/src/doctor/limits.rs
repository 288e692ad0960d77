//! What the system lets the server have, against the agents that it may run.

use std::path::Path;

use rustix::process::{Resource, getrlimit, getuid};

use super::Check;
use crate::config::Config;

/// Files that the server itself has open, its streams included, and those for each agent.
const FILES: u64 = 512;
const FILES_AN_AGENT: u64 = 16;
/// Without these not even a few streams can be had.
const LEAST_FILES: u64 = 128;
/// Threads and processes: the server's, and those of an agent with its tools.
const PROCESSES: u64 = 64;
const PROCESSES_AN_AGENT: u64 = 48;
/// Memory of an agent at work, its tools included.
const AGENT_MB: u64 = 300;

fn agents(config: &Config) -> u64 {
    u64::try_from(config.max_agents).unwrap_or(u64::MAX)
}

pub(super) fn check_files(config: &Config) -> Check {
    const NAME: &str = "open files";
    // The server takes as many as it may have.
    let Some(most) = getrlimit(Resource::Nofile).maximum else {
        return Check::ok(NAME, "unlimited");
    };
    let wanted = FILES + FILES_AN_AGENT * agents(config);
    let remedy = format!("raise the hard limit (ulimit -Hn, LimitNOFILE=) to {wanted} or more");
    match most {
        ..LEAST_FILES => Check::fail(NAME, format!("at most {most}: {remedy}")),
        _ if most < wanted => {
            Check::warn(NAME, format!("at most {most}, which many streams reach: {remedy}"))
        }
        _ => Check::ok(NAME, format!("at most {most}")),
    }
}

pub(super) fn check_processes(config: &Config) -> Check {
    const NAME: &str = "processes";
    // The user's limit does not hold for root, the control group's does.
    let of_user = getrlimit(Resource::Nproc).current.filter(|_| !getuid().is_root());
    let Some(most) = of_user.into_iter().chain(group_limit("pids.max")).min() else {
        return Check::ok(NAME, "unlimited");
    };
    let wanted = PROCESSES + PROCESSES_AN_AGENT * agents(config);
    if most >= wanted {
        return Check::ok(NAME, format!("at most {most}"));
    }
    let remedy = "raise the limit (ulimit -u, TasksMax=), or lower SESSION_MAX_CONCURRENT";
    Check::warn(NAME, format!("at most {most}, and {} agents may need {wanted}: {remedy}", agents(config)))
}

pub(super) fn check_memory(config: &Config) -> Check {
    const NAME: &str = "memory";
    let available = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| available_mb(&text));
    let of_group = group_limit("memory.max").map(|bytes| bytes >> 20);
    let Some(available) = available.into_iter().chain(of_group).min() else {
        return Check::warn(NAME, "how much is available is unknown");
    };
    let (agents, wanted) = (agents(config), AGENT_MB.saturating_mul(agents(config)));
    if available >= wanted {
        return Check::ok(NAME, format!("{available} MiB are available, {agents} agents may need {wanted}"));
    }
    let fitting = (available / AGENT_MB).max(1);
    let remedy = format!("set SESSION_MAX_CONCURRENT to {fitting} or less");
    Check::warn(
        NAME,
        format!("{available} MiB are available, and {agents} agents may need {wanted}: {remedy}"),
    )
}

fn available_mb(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kilobytes >> 10)
}

/// The lowest limit of that name that this process's control group and those above it have.
fn group_limit(name: &str) -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let limit = |group: &Path| {
        let text = std::fs::read_to_string(Path::new("/sys/fs/cgroup").join(group).join(name)).ok()?;
        text.trim().parse::<u64>().ok()
    };
    Path::new(own).ancestors().filter_map(limit).min()
}

#[cfg(test)]
mod tests {
    use super::available_mb;

    #[test]
    fn available_memory_is_read_from_the_kernels_words() {
        assert_eq!(available_mb("MemTotal: 9 kB\nMemAvailable:   2097152 kB\nX: 1\n"), Some(2048));
        assert_eq!(available_mb("MemTotal: 9 kB\n"), None);
    }
}

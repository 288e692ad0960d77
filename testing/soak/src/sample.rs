//! What a server takes, seen from outside.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use testing::{children, cpu_time};

use crate::meter::{Meter, Spread};

const KIB: u64 = 1024;

/// One look.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// Seconds since the start of the run.
    pub(crate) at: f64,
    /// Which server.
    pub(crate) life: u32,
    /// Seconds since that one was ready.
    pub(crate) age: f64,
    /// Memory that it has, in bytes.
    pub(crate) resident_bytes: u64,
    /// The same, with what it shares counted by its share.
    pub(crate) proportional_bytes: u64,
    /// Memory that no file is behind, in bytes: what leaks is there. The rest can be had from the database's file again.
    pub(crate) anonymous_bytes: u64,
    pub(crate) descriptors: u64,
    pub(crate) threads: u64,
    pub(crate) children: u64,
    /// Processor time since the last look, in percent of one core. Without its agents'.
    pub(crate) cpu_percent: f64,
    /// The database with its log.
    pub(crate) database_bytes: u64,
    /// Files in the data folder: the agents' transcripts, above all.
    pub(crate) data_files: u64,
    /// Events that readers were given, a second.
    pub(crate) events_per_second: f64,
    /// Submissions, a second.
    pub(crate) submissions_per_second: f64,
    /// POST of a new task to its answer, milliseconds.
    pub(crate) submission_ms: Spread,
    /// The agent's write of an event to its arrival at a reader, milliseconds.
    pub(crate) arrival_ms: Spread,
    /// POST of an interrupt to `complete` at a reader, milliseconds.
    pub(crate) interrupt_ms: Spread,
}

impl fmt::Display for Sample {
    /// In one line.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes as f64 / (KIB * KIB) as f64;
        write!(
            formatter,
            "{:>6.0} s  life {}  {:>5.1} MiB  {:>3} descriptors  {:>2} agents  cpu {:>4.1} %  database {:>5.1} MiB  \
             submission {:.2}/{:.1} ms  event {:.2}/{:.1} ms  {:>4.0} events/s",
            self.at,
            self.life,
            mib(self.resident_bytes),
            self.descriptors,
            self.children,
            self.cpu_percent,
            mib(self.database_bytes),
            self.submission_ms.p50,
            self.submission_ms.p99,
            self.arrival_ms.p50,
            self.arrival_ms.p99,
            self.events_per_second,
        )
    }
}

/// Looks at one server again and again.
pub(crate) struct Sampler {
    pid: u32,
    data: PathBuf,
    life: u32,
    born: Instant,
    looked: Instant,
    cpu: Duration,
}

fn entries(folder: &str) -> u64 {
    fs::read_dir(folder).map_or(0, |entries| entries.count() as u64)
}

/// A field of a file such as `smaps_rollup`, in bytes.
fn kib_field(text: &str, field: &str) -> u64 {
    let line = text.lines().find(|line| line.starts_with(field)).unwrap_or_default();
    KIB * line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn bytes(file: &Path) -> u64 {
    file.metadata().map_or(0, |metadata| metadata.len())
}

/// Files in a folder and below it.
fn files(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let count = |entry: fs::DirEntry| {
        if entry.path().is_dir() && !entry.path().is_symlink() { files(&entry.path()) } else { 1 }
    };
    entries.map(count).sum()
}

impl Sampler {
    /// Begins with a server that is ready now.
    pub(crate) fn of(pid: u32, data: PathBuf, life: u32) -> Self {
        let now = Instant::now();
        Self { pid, data, life, born: now, looked: now, cpu: cpu_time(pid) }
    }

    /// Looks; the processor's time and the meter's since the last time.
    pub(crate) fn look(&mut self, start: Instant, meter: &Meter) -> Sample {
        let (pid, now) = (self.pid, Instant::now());
        let seconds = now.duration_since(self.looked).as_secs_f64();
        let cpu = cpu_time(pid);
        let window = meter.take();
        let memory = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let submission_ms = window.submissions.spread();
        let sample = Sample {
            at: start.elapsed().as_secs_f64(),
            life: self.life,
            age: self.born.elapsed().as_secs_f64(),
            resident_bytes: kib_field(&memory, "Rss:"),
            proportional_bytes: kib_field(&memory, "Pss:"),
            anonymous_bytes: kib_field(&memory, "Anonymous:"),
            descriptors: entries(&format!("/proc/{pid}/fd")),
            threads: entries(&format!("/proc/{pid}/task")),
            children: children(pid).len() as u64,
            cpu_percent: 100.0 * cpu.saturating_sub(self.cpu).as_secs_f64() / seconds,
            database_bytes: ["tasks.sqlite", "tasks.sqlite-wal"]
                .map(|name| bytes(&self.data.join(name)))
                .iter()
                .sum(),
            data_files: files(&self.data),
            events_per_second: window.events as f64 / seconds,
            submissions_per_second: submission_ms.count as f64 / seconds,
            submission_ms,
            arrival_ms: window.arrivals.spread(),
            interrupt_ms: window.interrupts.spread(),
        };
        (self.looked, self.cpu) = (now, cpu);
        sample
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_seen() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("below")).expect("made");
        fs::write(folder.path().join("tasks.sqlite"), [0; 100]).expect("written");
        fs::write(folder.path().join("below").join("file"), "").expect("written");
        let start = Instant::now();
        let mut sampler = Sampler::of(std::process::id(), folder.path().to_owned(), 3);
        let sample = sampler.look(start, &Meter::default());
        assert!(sample.resident_bytes > KIB && sample.proportional_bytes <= sample.resident_bytes);
        assert!(sample.descriptors > 2 && sample.threads > 0, "{sample:?}");
        assert_eq!((sample.life, sample.database_bytes, sample.data_files), (3, 100, 2));
    }
}

//! What a run leaves: `soak.json`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::plan::{Ending, Load};
use crate::sample::Sample;
use crate::tally::Counted;
use crate::trend::Trend;

/// One server's life.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct LifeRecord {
    /// From 1 on.
    pub(crate) number: u32,
    /// Seconds since the start of the run.
    pub(crate) began: f64,
    /// Seconds since the start of the run; so far, while it lives.
    pub(crate) ended: f64,
    /// From its start to its first answer.
    pub(crate) ready_ms: f64,
    /// How it ended; `None` while it lives.
    pub(crate) how: Option<Ending>,
    /// From the signal to its end.
    pub(crate) stop_ms: f64,
    /// How the kernel says that it ended.
    pub(crate) exit: String,
    /// Its agents that were still there two seconds later.
    pub(crate) processes_left: usize,
    /// From its end to that of its last agent.
    pub(crate) agents_gone_ms: f64,
}

impl LifeRecord {
    /// How long it lived, in seconds.
    pub(crate) fn seconds(&self) -> f64 {
        self.ended - self.began
    }
}

/// One figure's judgement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Verdict {
    pub(crate) name: String,
    pub(crate) unit: String,
    pub(crate) trend: Trend,
}

/// Where it ran.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_mib: u64,
    pub(crate) kernel: String,
}

/// All of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    /// RFC 3339.
    pub(crate) started_at: String,
    pub(crate) server: String,
    pub(crate) machine: Machine,
    pub(crate) planned_seconds: f64,
    /// So far.
    pub(crate) seconds: f64,
    /// False while it runs, and when somebody or something ended it before its time.
    pub(crate) ran_to_its_end: bool,
    pub(crate) seed: u64,
    pub(crate) load: Load,
    pub(crate) settings: BTreeMap<String, String>,
    pub(crate) lives: Vec<LifeRecord>,
    pub(crate) samples: Vec<Sample>,
    /// When all tasks had ended, and nobody called any more.
    pub(crate) after: Option<Sample>,
    #[serde(flatten)]
    pub(crate) counted: Counted,
    /// What the servers logged from WARN on: level and message, and how often.
    pub(crate) logged: BTreeMap<String, u64>,
    /// Over the longest life, per minute.
    pub(crate) one_life: Vec<Verdict>,
    /// Over all lives but the first at the same age, per life.
    pub(crate) all_lives: Vec<Verdict>,
    /// No fault, and nothing that grows. Always false before the end.
    pub(crate) passed: bool,
}

impl Machine {
    /// This one.
    pub(crate) fn this() -> Self {
        let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
        let field = |file: &str, name: &str| {
            let text = read(file);
            let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
        };
        let (memory, release) = (field("/proc/meminfo", "MemTotal"), read("/proc/sys/kernel/osrelease"));
        Self {
            processor: field("/proc/cpuinfo", "model name"),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_mib: memory.split(' ').next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024,
            kernel: release.split('-').next().unwrap_or_default().trim().to_owned(),
        }
    }
}

impl Record {
    /// Whether there was no fault and nothing grew.
    pub(crate) fn is_good(&self) -> bool {
        let mut verdicts = self.one_life.iter().chain(&self.all_lives);
        self.counted.faults.values().all(|count| *count == 0)
            && verdicts.all(|verdict| verdict.trend.is_flat != Some(false))
    }

    /// Reads what [`Record::write`] wrote.
    pub(crate) fn read(file: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is no record of a soak", file.display()))
    }

    /// Writes it in one step, so that there is always a whole one.
    pub(crate) fn write(&self, file: &Path) -> anyhow::Result<()> {
        let new = file.with_extension("json.new");
        let text = serde_json::to_string_pretty(self)?;
        fs::write(&new, text + "\n").with_context(|| format!("{} cannot be written", new.display()))?;
        fs::rename(&new, file).with_context(|| format!("{} cannot be written", file.display()))
    }
}

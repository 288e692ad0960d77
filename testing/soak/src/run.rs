//! A run: the callers at work, servers that end and begin, and looks at them.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rusqlite::{Connection, OpenFlags};
use rustix::process::{Pid, Signal, kill_process};
use scripted_model::{Options, ScriptedModel};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep_until, timeout};

use crate::caller::Callers;
use crate::lives::Lives;
use crate::load;
use crate::measures::{over_all_lives, over_one_life};
use crate::place::{Place, Process, SETTINGS};
use crate::plan::{Ending, Load, Restart, restarts};
use crate::record::{LifeRecord, Machine, Record};
use crate::sample::{Sample, Sampler};
use crate::say;
use crate::tally::Fault;

const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How long the open tasks have to end when nothing new is begun: the longest stream takes 40 seconds.
const END_WITHIN: Duration = Duration::from_secs(150);

/// What is to be run.
pub(crate) struct Plan {
    pub(crate) binary: PathBuf,
    pub(crate) out: PathBuf,
    pub(crate) length: Duration,
    pub(crate) seed: u64,
    pub(crate) load: Load,
}

struct Run {
    start: Instant,
    out: PathBuf,
    place: Place,
    callers: Arc<Callers>,
    process: Process,
    sampler: Sampler,
    record: Record,
}

/// Runs it to its end, or until `signals` counts one; a second one ends it at once. Its record is written again and again.
pub(crate) async fn run(plan: Plan, signals: watch::Receiver<u32>) -> anyhow::Result<Record> {
    let model = ScriptedModel::start(Options::default()).await?;
    let mut run = Run::begin(&plan, model.base_url()).await?;
    load::begin(&run.callers, &plan.load, plan.seed);
    let worked = run.work(plan.length, signals.clone()).await;
    run.record.ran_to_its_end = matches!(worked, Ok(true));
    let ended = match worked {
        Ok(_) => run.finish(signals).await,
        Err(error) => Err(error),
    };
    if let Err(error) = ended {
        run.callers.tally.fault(Fault::ServerDeath, 1, format!("the run could not go on: {error:#}"));
    }
    let record = run.close()?;
    model.shutdown().await;
    Ok(record)
}

/// Waits for that many signals.
async fn signalled(signals: &mut watch::Receiver<u32>, count: u32) {
    if signals.wait_for(|seen| *seen >= count).await.is_err() {
        // Nobody is there to send any.
        std::future::pending::<()>().await;
    }
}

impl Run {
    async fn begin(plan: &Plan, model_url: String) -> anyhow::Result<Self> {
        let place = Place::new(&plan.binary, model_url)?;
        let start = Instant::now();
        let callers = Arc::new(Callers::new(Lives::at(place.address())?, start, place.workspace()?));
        let process = place.start().await?;
        let sampler = Sampler::of(process.pid, place.data(), 1);
        let record = Record {
            started_at: chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
            server: place.version().await?,
            machine: Machine::this(),
            planned_seconds: plan.length.as_secs_f64(),
            seconds: 0.0,
            ran_to_its_end: false,
            seed: plan.seed,
            load: plan.load.clone(),
            settings: SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            lives: Vec::new(),
            samples: Vec::new(),
            after: None,
            counted: callers.tally.counted(),
            logged: BTreeMap::new(),
            one_life: Vec::new(),
            all_lives: Vec::new(),
            passed: false,
        };
        let mut run = Self { start, out: plan.out.clone(), place, callers, process, sampler, record };
        run.has_begun()?;
        Ok(run)
    }

    fn now(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// A server answers: callers may call.
    fn has_begun(&mut self) -> anyhow::Result<()> {
        let number = self.callers.lives.begin()?;
        let ready_ms = self.process.ready_after.as_secs_f64() * 1000.0;
        let now = self.now();
        self.record.lives.push(LifeRecord {
            number,
            began: now,
            ended: now,
            ready_ms,
            ..LifeRecord::default()
        });
        self.sampler = Sampler::of(self.process.pid, self.place.data(), number);
        Ok(())
    }

    /// Looks and restarts in turn; true at the end of the plan, false after a signal.
    async fn work(&mut self, length: Duration, mut signals: watch::Receiver<u32>) -> anyhow::Result<bool> {
        let mut restarts: VecDeque<Restart> = restarts(length).into();
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        looks.tick().await;
        loop {
            let next = restarts.front().copied();
            let at = self.start + next.map_or(length, |restart| restart.at);
            tokio::select! {
                _ = looks.tick() => self.look()?,
                () = sleep_until(at.into()) => match next {
                    None => return Ok(true),
                    Some(restart) => {
                        restarts.pop_front();
                        self.restart(restart.how).await?;
                        looks.reset();
                    }
                },
                () = signalled(&mut signals, 1) => return Ok(false),
            }
        }
    }

    fn look(&mut self) -> anyhow::Result<()> {
        let sample = self.sample()?;
        self.record.samples.push(sample);
        self.save()
    }

    fn sample(&mut self) -> anyhow::Result<Sample> {
        if let Some(status) = self.process.has_died() {
            self.callers.tally.fault(Fault::ServerDeath, 1, format!("the server ended by itself: {status}"));
            anyhow::bail!("the server has ended by itself: {status}");
        }
        let sample = self.sampler.look(self.start, &self.callers.meter);
        let faults: u64 = self.callers.tally.counted().faults.values().sum();
        say(&format!("{sample}  open {}  faults {faults}", self.callers.at_work.len()));
        Ok(sample)
    }

    fn save(&mut self) -> anyhow::Result<()> {
        let now = self.now();
        self.record.seconds = now;
        if let Some(life) = self.record.lives.last_mut().filter(|life| life.how.is_none()) {
            life.ended = now;
        }
        self.record.counted = self.callers.tally.counted();
        self.record.write(&self.out)
    }

    async fn restart(&mut self, how: Ending) -> anyhow::Result<()> {
        self.end(how).await?;
        self.process = self.place.start().await?;
        // What was measured while no server was there is nobody's.
        self.callers.meter.take();
        self.has_begun()
    }

    /// Ends the server, and looks for what it leaves.
    async fn end(&mut self, how: Ending) -> anyhow::Result<()> {
        self.callers.lives.end();
        let (status, took) = match how {
            Ending::Terminated => self.process.terminate().await?,
            Ending::Killed | Ending::Died => self.process.kill().await?,
        };
        if how == Ending::Terminated && !status.success() {
            self.callers.tally.fault(Fault::WrongExit, 1, format!("after SIGTERM: {status}"));
        }
        let (left, gone) = self.place.left().await;
        self.end_orphans(&left);
        let now = self.now();
        if let Some(life) = self.record.lives.last_mut() {
            life.how = Some(how);
            life.ended = now - took.as_secs_f64() - gone.as_secs_f64();
            life.stop_ms = took.as_secs_f64() * 1000.0;
            life.exit = status.to_string();
            life.processes_left = left.len();
            life.agents_gone_ms = gone.as_secs_f64() * 1000.0;
        }
        say(&format!("{now:>6.0} s  {how:?}: {status} after {took:.0?}, the last agent {gone:.0?} later"));
        Ok(())
    }

    /// Whoever has this run's folder in its environment was started by it.
    fn end_orphans(&self, left: &[u32]) {
        if left.is_empty() {
            return;
        }
        let what = |pid: &u32| {
            let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            format!("{pid} ({})", String::from_utf8_lossy(&command).replace('\0', " "))
        };
        let what = left.iter().map(what).collect::<Vec<_>>().join(", ");
        self.callers.tally.fault(Fault::OrphanProcess, left.len() as u64, what);
        for pid in left.iter().filter_map(|pid| Pid::from_raw(i32::try_from(*pid).ok()?)) {
            // One that has just ended needs no signal.
            kill_process(pid, Signal::KILL).ok();
        }
    }

    /// Lets all open tasks end, and the server then.
    async fn finish(&mut self, mut signals: watch::Receiver<u32>) -> anyhow::Result<()> {
        say(&format!("{:>6.0} s  nothing new; {} callers finish", self.now(), self.callers.at_work.len()));
        self.callers.finish();
        let all_ended = timeout(END_WITHIN, self.callers.at_work.wait());
        let is_told_twice = tokio::select! {
            _ = all_ended => false,
            () = signalled(&mut signals, 2) => true,
        };
        let open = self.callers.at_work.len() as u64;
        if open > 0 && !is_told_twice {
            let (_, tasks) = self.get("/api/v1/tasks?status=running").await?;
            self.callers.tally.fault(Fault::LostTask, open, format!("{open} have not ended: {tasks}"));
        }
        if open == 0 {
            let (status, health) = self.get("/health").await?;
            if (status, &health["active_tasks"]) != (200, &json!(0)) {
                self.callers.tally.fault(
                    Fault::LostTask,
                    1,
                    format!("all have ended, but: {status} {health}"),
                );
            }
        }
        self.record.after = Some(self.sample()?);
        self.end(Ending::Terminated).await?;
        if let Err(error) = check_database(&self.place.data().join("tasks.sqlite")) {
            self.callers.tally.fault(Fault::DamagedDatabase, 1, format!("{error:#}"));
        }
        Ok(())
    }

    async fn get(&self, path: &str) -> anyhow::Result<(u16, Value)> {
        let ask = self.callers.ask("GET", path, &Value::Null);
        let answer = timeout(END_WITHIN, ask).await.context("the server does not answer")?;
        Ok((answer.status, answer.body))
    }

    /// Judges and writes what there is. After a fault, the folder stays.
    fn close(mut self) -> anyhow::Result<Record> {
        self.record.logged = logged(&self.place.log());
        self.record.one_life = over_one_life(&self.record.samples, &self.record.lives);
        self.record.all_lives = over_all_lives(&self.record.samples, &self.record.lives);
        self.record.counted = self.callers.tally.counted();
        self.record.passed = self.record.ran_to_its_end && self.record.is_good();
        self.save()?;
        if self.record.counted.faults.values().any(|count| *count > 0) {
            drop(self.process);
            say(&format!("the servers' folder stays: {}", self.place.keep().display()));
        }
        Ok(self.record)
    }
}

fn check_database(file: &Path) -> anyhow::Result<()> {
    let database = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let answer: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    ensure!(answer == "ok", "integrity_check: {answer}");
    Ok(())
}

/// The log in short. Lines that are no JSON, such as a panic's, count as they are.
fn logged(file: &Path) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for line in std::fs::read_to_string(file).unwrap_or_default().lines() {
        let entry: Value = serde_json::from_str(line).unwrap_or_default();
        let text = match (entry["level"].as_str(), entry["message"].as_str()) {
            (Some(level), Some(message)) => format!("{level} {message}"),
            _ => line.to_owned(),
        };
        *counts.entry(text).or_default() += 1;
    }
    counts
}

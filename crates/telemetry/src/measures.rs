//! The metrics, and their text form.

use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::descendants::Descendants;
use crate::itself::Usage;
use crate::known::KnownGauge;
use crate::labels::{Direction, Ended, Model, ModelAnswer, Refused, RefusedFor, Request, State, Tokens};

type FloatCounter = Counter<f64, std::sync::atomic::AtomicU64>;
type FloatGauge = Gauge<f64, std::sync::atomic::AtomicU64>;

/// What the storage says of the tasks that have not ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Open {
    /// Sessions with a task at work.
    pub active_sessions: u64,
    /// Tasks that wait for their turn.
    pub waiting: u64,
    /// Tasks that cannot begin yet: their time has not come, or they depend on others.
    pub scheduled: u64,
    /// Tasks at work.
    pub running: u64,
    /// Tasks that have begun and wait without an agent.
    pub parked: u64,
}

/// What is looked up at the moment of the scrape.
#[derive(Debug, Clone, Copy, Default)]
pub struct Levels {
    /// `None` when the storage could not be asked: then nothing is told, since none is not what is known.
    pub open: Option<Open>,
    /// Agent processes: at work, idle and prepared.
    pub agents: u64,
    /// Open streams.
    pub streams: u64,
    /// Since the start.
    pub uptime: Duration,
    /// Whether the storage takes writes.
    pub storage_is_up: bool,
    /// Whether this server may run tasks: always, unless others share its storage.
    pub lease_is_held: bool,
    /// The disk of the data folder; `None` when the system does not tell.
    pub disk: Option<Disk>,
}

/// A file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    /// What the server may still write, in bytes.
    pub free: u64,
    /// All of it, in bytes.
    pub size: u64,
}

/// Everything that is counted and measured. Cheap to use from anywhere.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    http_requests: Family<Request, Counter>,
    http_seconds: Histogram,
    tasks: Family<Ended, Counter>,
    tasks_refused: Family<RefusedFor, Counter>,
    task_seconds: Histogram,
    tokens: Family<Tokens, Counter>,
    cost_usd: FloatCounter,
    queue_wait: Histogram,
    interrupt_seconds: Histogram,
    commit_seconds: Histogram,
    event_latency: Histogram,
    events: Counter,
    processes_left: Counter,
    model_answers: Family<Model, Counter>,
    storage_up: Gauge,
    lease_held: Gauge,
    disk_free: KnownGauge,
    disk_size: KnownGauge,
    active_sessions: KnownGauge,
    queue_depth: Family<State, Gauge>,
    agents: Gauge,
    agents_resident: Gauge,
    agent_tree: Gauge,
    orphans: Gauge,
    streams: Gauge,
    uptime: FloatGauge,
    resident: Gauge,
    cpu: FloatCounter,
    cpu_told: std::sync::Mutex<f64>,
    open_files: Gauge,
    threads: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let from = |start, factor, length| Histogram::new(exponential_buckets(start, factor, length));
        let mut metrics = Self {
            registry: Registry::default(),
            http_requests: Family::default(),
            http_seconds: from(0.001, 2.5, 10),
            tasks: Family::default(),
            tasks_refused: Family::default(),
            task_seconds: from(1.0, 2.5, 10),
            tokens: Family::default(),
            cost_usd: FloatCounter::default(),
            queue_wait: from(0.01, 4.0, 10),
            interrupt_seconds: from(0.005, 2.0, 11),
            commit_seconds: from(0.0001, 2.5, 12),
            event_latency: from(0.0001, 2.5, 12),
            events: Counter::default(),
            processes_left: Counter::default(),
            model_answers: Family::default(),
            storage_up: Gauge::default(),
            lease_held: Gauge::default(),
            disk_free: KnownGauge::default(),
            disk_size: KnownGauge::default(),
            active_sessions: KnownGauge::default(),
            queue_depth: Family::default(),
            agents: Gauge::default(),
            agents_resident: Gauge::default(),
            agent_tree: Gauge::default(),
            orphans: Gauge::default(),
            streams: Gauge::default(),
            uptime: FloatGauge::default(),
            resident: Gauge::default(),
            cpu: FloatCounter::default(),
            cpu_told: std::sync::Mutex::default(),
            open_files: Gauge::default(),
            threads: Gauge::default(),
        };
        metrics.register_counts();
        metrics.register_levels();
        metrics.register_foundations();
        for answer in ModelAnswer::ALL {
            drop(metrics.model_answers.get_or_create(&answer.label()));
        }
        for status in ["completed", "failed", "interrupted"] {
            // So that rates are known from the first of them on.
            drop(metrics.tasks.get_or_create(&Ended { status }));
        }
        for reason in Refused::ALL {
            drop(metrics.tasks_refused.get_or_create(&RefusedFor { reason }));
        }
        metrics
    }
}

impl Metrics {
    fn register_counts(&mut self) {
        let Self { registry, .. } = self;
        registry.register("http_requests", "Requests that were answered", self.http_requests.clone());
        let help = "Time from a request to its answer, streams left out";
        registry.register_with_unit("http_request_duration", help, Unit::Seconds, self.http_seconds.clone());
        registry.register("tasks", "Tasks that have ended", self.tasks.clone());
        let help = "Tasks that were not admitted, and would be another time";
        registry.register("tasks_refused", help, self.tasks_refused.clone());
        let help = "Time that ended tasks were worked on";
        registry.register_with_unit("tasks_duration", help, Unit::Seconds, self.task_seconds.clone());
        registry.register("tokens_used", "Tokens of ended tasks", self.tokens.clone());
        registry.register(
            "task_cost_usd",
            "What ended tasks have cost, in US dollars",
            self.cost_usd.clone(),
        );
        let help = "Time from a task's admission to its first agent";
        registry.register_with_unit("task_queue_wait", help, Unit::Seconds, self.queue_wait.clone());
        let help = "Time from the request to stop a running task to its end";
        registry.register_with_unit(
            "task_interrupt_duration",
            help,
            Unit::Seconds,
            self.interrupt_seconds.clone(),
        );
        let help = "Time that the storage took for a commit of events";
        registry.register_with_unit(
            "event_commit_duration",
            help,
            Unit::Seconds,
            self.commit_seconds.clone(),
        );
        let help = "Time from taking an agent's output to its events being committed, and so visible";
        registry.register_with_unit("event_latency", help, Unit::Seconds, self.event_latency.clone());
        registry.register("events_committed", "Events that were committed", self.events.clone());
        let help = "Processes of agents that could not be ended: each is a fault";
        registry.register("agent_processes_left", help, self.processes_left.clone());
    }

    fn register_levels(&mut self) {
        let Self { registry, .. } = self;
        registry.register("active_sessions", "Sessions with a task at work", self.active_sessions.clone());
        registry.register("open_tasks", "Tasks that have not ended", self.queue_depth.clone());
        registry.register("agent_processes", "Agents: at work, idle and prepared", self.agents.clone());
        let help =
            "Resident memory of all agents and what they have started; what they share counts for each";
        registry.register_with_unit(
            "agents_resident_memory",
            help,
            Unit::Bytes,
            self.agents_resident.clone(),
        );
        let help = "Processes of all agents, those included that they have started";
        registry.register("agent_tree_processes", help, self.agent_tree.clone());
        let help = "Processes whose agent is gone, and which are about to be ended";
        registry.register("agent_orphan_processes", help, self.orphans.clone());
        registry.register("open_streams", "Streams of events that are read", self.streams.clone());
        registry.register_with_unit("uptime", "Since the start", Unit::Seconds, self.uptime.clone());
        let help = "Resident memory of the server";
        registry.register_with_unit("process_resident_memory", help, Unit::Bytes, self.resident.clone());
        let help = "Processor time of the server";
        registry.register_with_unit("process_cpu", help, Unit::Seconds, self.cpu.clone());
        registry.register("process_open_fds", "Open files of the server", self.open_files.clone());
        registry.register("process_threads", "Threads of the server", self.threads.clone());
    }

    /// What the server stands on.
    fn register_foundations(&mut self) {
        let Self { registry, .. } = self;
        let help = "Requests of agents that the gateway passed on to the model API, by what came of them";
        registry.register("model_requests", help, self.model_answers.clone());
        registry.register(
            "storage_up",
            "1 when the storage takes a write within a second, else 0",
            self.storage_up.clone(),
        );
        let help = "1 when this server may run tasks; 0 when it has lost its lease on a shared storage";
        registry.register("lease_held", help, self.lease_held.clone());
        let help = "Room that is left on the disk of the data folder";
        registry.register_with_unit("data_disk_free", help, Unit::Bytes, self.disk_free.clone());
        let help = "Size of the disk of the data folder";
        registry.register_with_unit("data_disk_size", help, Unit::Bytes, self.disk_size.clone());
    }

    /// A request of an agent to the model API has come out.
    pub fn model_answered(&self, answer: ModelAnswer) {
        self.model_answers.get_or_create(&answer.label()).inc();
    }

    /// A request was answered.
    pub fn answered(&self, request: &Request, took: Duration) {
        self.http_requests.get_or_create(request).inc();
        // The time of a stream, or of a wait for a result, is its reader's.
        let waits = request.endpoint.ends_with("/events") || request.endpoint.ends_with("/result");
        if !waits && !request.endpoint.starts_with("/ws/") {
            self.http_seconds.observe(took.as_secs_f64());
        }
    }

    /// A task was not admitted.
    pub fn task_refused(&self, reason: Refused) {
        self.tasks_refused.get_or_create(&RefusedFor { reason }).inc();
    }

    /// An agent took a task for the first time.
    pub fn task_started(&self, waited: Duration) {
        self.queue_wait.observe(waited.as_secs_f64());
    }

    /// A task ended. `worked` is how long agents had it; 0 when none did.
    pub fn task_ended(&self, status: &'static str, worked: Duration, tokens: (u64, u64), cost_usd: f64) {
        self.tasks.get_or_create(&Ended { status }).inc();
        if !worked.is_zero() {
            self.task_seconds.observe(worked.as_secs_f64());
        }
        for (direction, count) in [(Direction::input, tokens.0), (Direction::output, tokens.1)] {
            self.tokens.get_or_create(&Tokens { r#type: direction }).inc_by(count);
        }
        self.cost_usd.inc_by(cost_usd.max(0.0));
    }

    /// A running task ended because somebody wanted it to.
    pub fn interrupted(&self, took: Duration) {
        self.interrupt_seconds.observe(took.as_secs_f64());
    }

    /// What an agent had said is committed: everybody can see it.
    pub fn heard(&self, took: Duration) {
        self.event_latency.observe(took.as_secs_f64());
    }

    /// Events were committed.
    pub fn committed(&self, events: u64, took: Duration) {
        self.events.inc_by(events);
        self.commit_seconds.observe(took.as_secs_f64());
    }

    /// Processes of an agent could not be ended.
    pub fn left_behind(&self, processes: u64) {
        self.processes_left.inc_by(processes);
    }

    /// Everything in the text format of Prometheus (0.0.4), which every collector reads.
    pub fn text(&self, levels: &Levels) -> String {
        let level = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.tell_open(levels.open);
        self.agents.set(level(levels.agents));
        self.storage_up.set(i64::from(levels.storage_is_up));
        self.lease_held.set(i64::from(levels.lease_is_held));
        self.disk_free.set(levels.disk.map(|disk| level(disk.free)));
        self.disk_size.set(levels.disk.map(|disk| level(disk.size)));
        let tree = Descendants::of_this_process();
        self.agents_resident.set(level(tree.resident_bytes));
        self.agent_tree.set(level(tree.processes));
        self.orphans.set(level(tree.children.saturating_sub(levels.agents)));
        self.streams.set(level(levels.streams));
        self.uptime.set(levels.uptime.as_secs_f64());
        let usage = Usage::of_this_process();
        self.resident.set(level(usage.resident_bytes));
        self.open_files.set(level(usage.open_files));
        self.threads.set(level(usage.threads));
        self.tell_cpu(usage.cpu_seconds);
        let mut text = String::new();
        // Writing into a text cannot fail.
        encode(&mut text, &self.registry).ok();
        plain(&text)
    }

    fn tell_open(&self, open: Option<Open>) {
        let level = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.active_sessions.set(open.map(|open| level(open.active_sessions)));
        let Some(open) = open else {
            self.queue_depth.clear();
            return;
        };
        for (state, count) in [
            ("waiting", open.waiting),
            ("scheduled", open.scheduled),
            ("running", open.running),
            ("parked", open.parked),
        ] {
            self.queue_depth.get_or_create(&State { state }).set(level(count));
        }
    }

    fn tell_cpu(&self, seconds: f64) {
        let mut told = self.cpu_told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.cpu.inc_by((seconds - *told).max(0.0));
        *told = seconds.max(*told);
    }
}

/// OpenMetrics as plain text format: there a counter's family is called as its samples are, and units are only in names.
fn plain(open_metrics: &str) -> String {
    let mut counters = std::collections::HashSet::new();
    for line in open_metrics.lines() {
        counters.extend(line.strip_prefix("# TYPE ").and_then(|rest| rest.strip_suffix(" counter")));
    }
    let mut text = String::with_capacity(open_metrics.len());
    for line in open_metrics.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("UNIT" | "EOF"), ..) => continue,
            (Some("#"), Some(kind), Some(name), Some(rest)) if counters.contains(name) => {
                text.push_str(&format!("# {kind} {name}_total {rest}"));
            }
            _ => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_is_told_under_the_names_of_the_contract() {
        let metrics = Metrics::default();
        let request = Request { method: "GET", endpoint: "/api/v1/tasks/{task_id}".into(), status: 200 };
        metrics.answered(&request, Duration::from_millis(2));
        metrics.task_started(Duration::from_secs(3));
        metrics.task_ended("completed", Duration::from_secs(5), (10, 20), 0.5);
        metrics.model_answered(ModelAnswer::of(529));
        metrics.task_refused(Refused::queue_full);
        let disk = Some(Disk { free: 5, size: 9 });
        let open = Some(Open { active_sessions: 2, waiting: 7, scheduled: 3, ..Open::default() });
        let text = metrics.text(&Levels { open, disk, ..Levels::default() });
        for line in [
            r#"http_requests_total{method="GET",endpoint="/api/v1/tasks/{task_id}",status="200"} 1"#,
            r#"tasks_total{status="completed"} 1"#,
            r#"tasks_total{status="failed"} 0"#,
            "tasks_duration_seconds_count 1",
            r#"tasks_refused_total{reason="queue_full"} 1"#,
            r#"tasks_refused_total{reason="shutting_down"} 0"#,
            r#"tasks_refused_total{reason="storage"} 0"#,
            "active_sessions 2",
            r#"open_tasks{state="waiting"} 7"#,
            r#"open_tasks{state="scheduled"} 3"#,
            r#"open_tasks{state="running"} 0"#,
            r#"tokens_used_total{type="input"} 10"#,
            r#"tokens_used_total{type="output"} 20"#,
            "task_cost_usd_total 0.5",
            "task_queue_wait_seconds_sum 3.0",
            r#"model_requests_total{outcome="limited"} 1"#,
            r#"model_requests_total{outcome="ok"} 0"#,
            "storage_up 0",
            "lease_held 0",
            "data_disk_free_bytes 5",
            "data_disk_size_bytes 9",
            "# TYPE tasks_total counter",
            "# TYPE tasks_duration_seconds histogram",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in:\n{text}");
        }
    }

    #[test]
    fn what_the_storage_could_not_be_asked_is_not_told() {
        let metrics = Metrics::default();
        let told = |open| {
            let text = metrics.text(&Levels { open, ..Levels::default() });
            text.lines()
                .filter(|line| line.starts_with("open_tasks{") || line.starts_with("active_sessions "))
                .count()
        };
        assert_eq!((told(None), told(Some(Open::default())), told(None)), (0, 5, 0));
    }
}

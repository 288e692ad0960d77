//! Callers of the server, who remember what they were told and hold it to that.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::{
    AgentOptions, Answer, Fingerprint, Labels, OnQuestion, OnRestart, OnStall, PermissionMode, Policy,
    Principal, Priority, Retry, Schedule, SessionChoice, SessionId, TaskId, TaskOptions, TaskSpec,
    TaskStatus, Timestamp, WhenBusy,
};
use engine::{Handle, InterruptFirst};
use serde_json::Value;
use store::conformance::FailurePoint;
use store::{MemoryStore, SubmitError};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::dice::Dice;
use crate::world::World;

/// What a subscriber of one task has read, over all its connections.
type Read = Arc<tokio::sync::Mutex<BTreeMap<u64, Bytes>>>;

#[derive(Default)]
pub(crate) struct Client {
    next: u64,
    /// What was asked for, by id, of tasks that were admitted or may have been.
    asked: BTreeMap<TaskId, TaskSpec>,
    admitted: BTreeSet<TaskId>,
    /// Tasks of which was said that they are interrupted.
    interrupted: BTreeSet<TaskId>,
    sessions: Vec<SessionId>,
    readers: BTreeMap<TaskId, Read>,
    connections: Vec<JoinHandle<()>>,
}

impl Client {
    fn new_spec(&mut self, dice: &mut Dice, now: Timestamp) -> TaskSpec {
        self.next += 1;
        let task_id = TaskId::parse(&format!("t{}", self.next)).expect("valid");
        let how = dice.pick(&[
            "ok",
            "ok",
            "fails",
            "limited",
            "overloaded",
            "hangs",
            "hangs deaf",
            "dies",
            "asks",
            "asks",
        ]);
        let prompt = format!("{task_id} {how} {}", dice.below(200));
        let session = match (self.sessions.is_empty(), dice.below(5)) {
            (false, 0..=2) => {
                let choices = [
                    WhenBusy::Enqueue,
                    WhenBusy::Enqueue,
                    WhenBusy::Reject,
                    WhenBusy::Interrupt,
                    WhenBusy::Fork,
                ];
                SessionChoice::Reuse { id: dice.pick(&self.sessions), when_busy: dice.pick(&choices) }
            }
            (false, 3) => SessionChoice::Fork(dice.pick(&self.sessions)),
            _ => SessionChoice::New,
        };
        let known: Vec<_> = self.admitted.iter().cloned().collect();
        let depends_on = if !known.is_empty() && dice.one_in(5) { vec![dice.pick(&known)] } else { vec![] };
        TaskSpec {
            task_id,
            fingerprint: Fingerprint([0; 32]),
            principal: Principal::default(),
            prompt,
            workspace: "/w".into(),
            working_directory: "/w".into(),
            options: TaskOptions {
                allowed_tools: vec![],
                permission_mode: PermissionMode::Default,
                max_turns: None,
                timeout: Duration::from_secs(1 + dice.below(20)),
                model: None,
                max_budget_usd: None,
                agent: AgentOptions::default(),
            },
            session,
            schedule: Schedule {
                priority: Priority::new(dice.pick(&[-1, 0, 0, 1])).expect("valid"),
                start_at: dice.one_in(6).then(|| now.after(Duration::from_millis(dice.below(5_000)))),
                depends_on,
                max_running: if dice.one_in(8) { NonZeroU32::new(1) } else { None },
                ..Schedule::default()
            },
            policy: Policy {
                retry: Retry { max_attempts: dice.pick(&[1, 1, 3]), after_side_effects: dice.one_in(2) },
                on_restart: dice.pick(&[OnRestart::Interrupt, OnRestart::Resume]),
                on_stall: OnStall::Report,
                background: Duration::from_secs(5),
                on_question: dice.pick(&[OnQuestion::Refuse, OnQuestion::Ask, OnQuestion::Ask]),
                answer_within: Duration::from_secs(1 + dice.below(10)),
            },
            labels: Labels::default(),
            metadata: None,
            trace_parent: None,
        }
    }

    /// Does one random thing.
    pub(crate) async fn act(
        &mut self,
        dice: &mut Dice,
        handle: &Handle,
        store: &MemoryStore,
        now: Timestamp,
    ) {
        match dice.below(14) {
            0..=4 => self.submit(dice, handle, now).await,
            5 => self.interrupt(dice, handle).await,
            6 if dice.one_in(3) => self.delete(dice, handle).await,
            7 => store.fail_next_commit(dice.pick(&[FailurePoint::BeforeCommit, FailurePoint::AfterCommit])),
            12..=13 => self.answer(dice, handle).await,
            8 => sleep(Duration::from_millis(dice.below(3_000))).await,
            _ => sleep(Duration::from_millis(dice.below(100))).await,
        }
    }

    async fn submit(&mut self, dice: &mut Dice, handle: &Handle, now: Timestamp) {
        let spec = self.new_spec(dice, now);
        self.asked.insert(spec.task_id.clone(), spec.clone());
        // A caller whose answer was lost asks again: it is the same task.
        for _ in 0..3 {
            match handle.submit(spec.clone()).await {
                Ok(submitted) => {
                    self.admitted.insert(spec.task_id.clone());
                    self.sessions.push(submitted.task.session_id.clone());
                    self.subscribe(handle, &spec.task_id);
                    return;
                }
                Err(engine::SubmitRefused::Store(SubmitError::Store(_))) => {}
                Err(_) => return,
            }
        }
    }

    async fn interrupt(&mut self, dice: &mut Dice, handle: &Handle) {
        let known: Vec<_> = self.admitted.iter().cloned().collect();
        if known.is_empty() {
            return;
        }
        let task = dice.pick(&known);
        if handle.interrupt(&task).await.is_ok_and(|done| done.status == TaskStatus::Interrupted) {
            self.interrupted.insert(task);
        }
    }

    /// Answers whatever is asked at the moment, some of it twice.
    async fn answer(&self, dice: &mut Dice, handle: &Handle) {
        for task in &self.admitted {
            let Ok(Some(view)) = handle.task(task).await else { continue };
            let Some(question) = view.record.questions.open else { continue };
            let allow = dice.one_in(2);
            let answer = Answer {
                allow,
                message: None,
                updated_input: None,
                remember: dice.one_in(2),
                expired: false,
            };
            for _ in 0..1 + dice.below(2) {
                // Its time may be up, or the storage fails.
                drop(handle.answer(task, question.id, answer.clone()).await);
            }
        }
    }

    async fn delete(&mut self, dice: &mut Dice, handle: &Handle) {
        if self.sessions.is_empty() {
            return;
        }
        let session = dice.pick(&self.sessions);
        let first = dice.pick(&[InterruptFirst::Yes, InterruptFirst::No]);
        if handle.delete_session(&session, first).await.is_ok() {
            self.sessions.retain(|known| *known != session);
        }
    }

    /// Reads on where the connections of the last life were cut.
    pub(crate) async fn connect(&mut self, handle: &Handle) {
        for task in self.admitted.clone() {
            self.subscribe(handle, &task);
        }
    }

    fn subscribe(&mut self, handle: &Handle, task: &TaskId) {
        let read = Arc::clone(self.readers.entry(task.clone()).or_default());
        self.connections.push(tokio::spawn(follow(handle.clone(), task.clone(), read)));
    }

    pub(crate) async fn disconnect(&mut self) {
        for connection in self.connections.drain(..) {
            connection.abort();
        }
    }

    /// Waits until every admitted task has ended, whatever it takes: hours pass in a moment.
    pub(crate) async fn settle(&self, handle: &Handle) {
        for task in &self.admitted {
            let ended = async {
                loop {
                    let view = handle
                        .wait(task, Duration::from_secs(3600))
                        .await
                        .expect("memory")
                        .expect("admitted");
                    if view.record.status.is_terminal() {
                        return;
                    }
                }
            };
            let state = handle.task(task).await;
            timeout(Duration::from_secs(30 * 24 * 3600), ended)
                .await
                .unwrap_or_else(|_| unreachable!("{task} does not end: {state:?}"));
        }
        sleep(Duration::from_secs(60)).await;
    }

    /// Holds the server to its promises.
    pub(crate) async fn check(&self, handle: &Handle, world: &World) {
        for (task, spec) in &self.asked {
            let found = handle.task(task).await.expect("memory");
            if !self.admitted.contains(task) && found.is_none() {
                continue;
            }
            let record = found.expect("what was admitted is there").record;
            let log = read_all(handle, task).await;
            assert_eq!(
                log.keys().copied().collect::<Vec<_>>(),
                (1..=record.tail).collect::<Vec<_>>(),
                "{task}"
            );
            let completes: Vec<_> = log
                .iter()
                .filter(|(_, json)| json.starts_with(b"{\"type\":\"complete\""))
                .map(|(seq, _)| *seq)
                .collect();
            assert_eq!(completes, [record.tail], "{task} ends once, with its last event");
            let complete: Value = serde_json::from_slice(&log[&record.tail]).expect("JSON");
            assert_eq!(complete["data"]["status"], record.status.as_str(), "{task}");
            assert!(world.done(&spec.prompt) <= 1, "{task} was run {} times", world.done(&spec.prompt));
            if record.status == TaskStatus::Completed {
                assert_eq!(world.done(&spec.prompt), 1, "{task} completed without having been run");
                self.check_dependencies(handle, spec).await;
                let told = record.conversation.is_some_and(|known| world.was_told_an_answer(known));
                assert!(record.questions.answered.is_empty() || told, "{task} went on without its answer");
            }
            if self.interrupted.contains(task) {
                assert_eq!(record.status, TaskStatus::Interrupted, "{task} was said to be interrupted");
            }
            if let Some(read) = self.readers.get(task) {
                assert_eq!(*read.lock().await, log, "the subscriber of {task}");
            }
        }
        let counts = handle.counts().await.expect("memory");
        assert_eq!(counts, store::Counts::default(), "nothing is left to do");
    }

    async fn check_dependencies(&self, handle: &Handle, spec: &TaskSpec) {
        for dependency in &spec.schedule.depends_on {
            let status = handle.task(dependency).await.expect("memory").map(|view| view.record.status);
            assert_eq!(status, Some(TaskStatus::Completed), "{} went before {dependency}", spec.task_id);
        }
    }
}

async fn follow(handle: Handle, task: TaskId, read: Read) {
    let after = read.lock().await.keys().next_back().copied().unwrap_or(0);
    let Ok(Some(mut subscription)) = handle.subscribe(&task, after).await else { return };
    loop {
        let batch = subscription.next().await.expect("an open task is there");
        let mut read = read.lock().await;
        for event in batch.events {
            let before = read.insert(event.seq, event.json);
            assert!(before.is_none(), "{task}: event {} came twice", event.seq);
        }
        if batch.complete {
            return;
        }
    }
}

async fn read_all(handle: &Handle, task: &TaskId) -> BTreeMap<u64, Bytes> {
    let read = Read::default();
    follow(handle.clone(), task.clone(), Arc::clone(&read)).await;
    let read = read.lock().await;
    read.clone()
}

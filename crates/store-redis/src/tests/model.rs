//! Random commands on two servers that share a Redis, and the same on the memory store: what [`store::Core`] answers, Redis does.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;

use domain::{
    Answer, ConversationId, Fingerprint, Labels, Principal, Priority, Question, QuestionId, Schedule,
    SessionChoice, SessionId, TaskId, TaskSpec, Timestamp, WhenBusy,
};
use store::conformance::{NOW, append, session, spec, ticket};
use store::{
    Append, Claim, Claimed, CoreSettings, CreateSession, Dropped, FeedFilter, Finish, MemoryStore, PutBack,
    Release, Retention, Store, Submit, TaskFilter, TaskOrder, TaskQuery, WaitReason, Waiting,
};
use uuid::Uuid;

use super::server::Server;
use super::{finish_of, settings};
use crate::RedisStore;
use crate::{InstanceSettings, RedisSettings};

/// Numbers that look random, the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % most
    }

    fn one_in(&mut self, most: u64) -> bool {
        self.below(most) == 0
    }

    fn uuid(&mut self) -> Uuid {
        Uuid::from_u64_pair(self.below(u64::MAX), self.below(u64::MAX))
    }
}

/// A lease of the model and that of the server that has it.
struct Lease {
    model: Claimed,
    shared: Claimed,
    server: usize,
    /// Whether its task still runs.
    runs: bool,
}

struct World {
    dice: Dice,
    model: MemoryStore,
    servers: [Arc<RedisStore>; 2],
    leases: Vec<Lease>,
    now: Timestamp,
    questions: Vec<(TaskId, QuestionId)>,
}

const TASKS: u64 = 12;

async fn open(server: &Server, prefix: &str, name: &str) -> RedisStore {
    let settings = settings(server, prefix, name);
    let labels = super::labels(&["x", "y"]).into_iter().collect();
    let instance = InstanceSettings { labels, ..settings.instance };
    RedisStore::open(RedisSettings { instance, ..settings }).await.expect("opens")
}

impl World {
    fn task(&mut self) -> TaskId {
        TaskId::parse(&format!("t{}", self.dice.below(TASKS))).expect("valid")
    }

    fn session(&mut self) -> SessionId {
        let number = self.dice.below(TASKS + 3);
        session(&if number < TASKS { format!("session-t{number}") } else { format!("made{number}") })
    }

    fn principal(&mut self) -> Principal {
        Principal::parse(["a", "b", "c"][self.dice.below(3) as usize]).expect("valid")
    }

    fn server(&mut self) -> Arc<RedisStore> {
        Arc::clone(&self.servers[self.dice.below(2) as usize])
    }

    fn spec(&mut self) -> TaskSpec {
        let task = self.task();
        let when_busy = [WhenBusy::Enqueue, WhenBusy::Reject, WhenBusy::Interrupt, WhenBusy::Fork];
        let choice = match self.dice.below(8) {
            0..3 => SessionChoice::New,
            3 => SessionChoice::Fork(self.session()),
            _ => {
                SessionChoice::Reuse { id: self.session(), when_busy: when_busy[self.dice.below(4) as usize] }
            }
        };
        let mut labels = Labels::default();
        if self.dice.one_in(2) {
            labels.set("k", ["x", "y"][self.dice.below(2) as usize]).expect("fits");
        }
        let schedule = Schedule {
            priority: Priority::new(self.dice.below(3) as i8 - 1).expect("valid"),
            start_at: self.dice.one_in(5).then(|| self.now.after(std::time::Duration::from_millis(7))),
            depends_on: if self.dice.one_in(4) { vec![self.task(), self.task()] } else { vec![] },
            max_running: self.dice.one_in(4).then(|| NonZeroU32::new(2).expect("not zero")),
            // Both servers of this world have both; so these change only in which place of the queue a task stands.
            runs_on: if self.dice.one_in(3) { super::labels(&["x", "y"]) } else { BTreeSet::new() },
        };
        let workspace = ["/w", "/w/ä x"][self.dice.below(2) as usize].into();
        let fingerprint = Fingerprint([self.dice.below(2) as u8; 32]);
        let principal = self.principal();
        let base = spec(task.as_str());
        TaskSpec { principal, workspace, session: choice, schedule, labels, fingerprint, ..base }
    }

    async fn claim(&mut self) {
        let (ticket, server) = (ticket(), self.dice.below(2) as usize);
        let model = self.model.claim(ticket, self.now).await.expect("memory");
        let shared = self.servers[server].claim(ticket, self.now).await.expect("redis");
        match (model, shared) {
            (Claim::Task(model), Claim::Task(shared)) => {
                let token = model.token;
                assert_eq!(Claimed { token, ..(*shared).clone() }, *model);
                let again = self.servers[server].claim(ticket, self.now).await;
                assert_eq!(again, Ok(Claim::Task(shared.clone())), "the same ticket");
                self.leases.push(Lease { model: *model, shared: *shared, server, runs: true });
            }
            (model, shared) => assert_eq!(shared, model),
        }
    }

    /// Something that a worker does under one of its leases.
    async fn work(&mut self) {
        if self.leases.is_empty() {
            return;
        }
        let place = self.dice.below(self.leases.len() as u64) as usize;
        let conversation = self.dice.one_in(2).then(|| ConversationId(self.dice.uuid()));
        let (lease, now) = (self.leases.swap_remove(place), self.now);
        let shared = Arc::clone(&self.servers[lease.server]);
        let task = lease.model.task.spec.task_id.clone();
        let tail = self.model.task(&task).await.expect("memory").map_or(0, |task| task.tail);
        let first = tail + 1 + u64::from(self.dice.one_in(12));
        let add = |claimed| Append { conversation, now, ..append(claimed, first..=first + 2) };
        let of = [&lease.model, &lease.shared];
        let what = self.dice.below(if lease.runs { 8 } else { 2 });
        let (model, redis, runs) = match what {
            0..2 if !lease.runs || what == 0 => {
                let release = of.map(|claimed| Release {
                    session_id: claimed.task.session_id.clone(),
                    token: claimed.token,
                    conversation,
                    now,
                });
                if lease.runs {
                    self.leases.push(lease);
                    return;
                }
                let [model, redis] = release;
                assert_eq!(shared.release(redis).await, self.model.release(model).await);
                return;
            }
            0..4 => (self.model.append(add(of[0])).await, shared.append(add(of[1])).await, true),
            4..6 => {
                let question = self.dice.one_in(2).then(|| self.question(&task));
                let until = now.after(std::time::Duration::from_millis(self.dice.below(9)));
                let reason = if question.is_some() { WaitReason::Answer } else { WaitReason::Retry };
                let back = of.map(|claimed| PutBack {
                    append: add(claimed),
                    waiting: Waiting { reason, until },
                    failed: first % 2 == 0,
                    question: question.clone(),
                });
                let [model, redis] = back;
                (self.model.put_back(model).await, shared.put_back(redis).await, false)
            }
            _ => {
                let failed = self.dice.one_in(3);
                let [model, redis] =
                    of.map(|claimed| Finish { now, ..finish_of(&task, Some(claimed.token), first, failed) });
                (self.model.finish(model).await, shared.finish(redis).await, false)
            }
        };
        assert_eq!(redis, model, "{task}");
        let runs = lease.runs && (runs || model.is_err());
        self.leases.push(Lease { runs, ..lease });
    }

    fn question(&mut self, task: &TaskId) -> Question {
        let id = QuestionId(self.dice.uuid());
        self.questions.push((task.clone(), id));
        let tool = ["Bash", "AskUserQuestion"][self.dice.below(2) as usize].into();
        let input = Some("{\"a\":[]}".into());
        Question { id, tool, input, asked_at: self.now, ..super::question() }
    }

    /// Something that people do.
    async fn change(&mut self) {
        let (shared, task, session, now) = (self.server(), self.task(), self.session(), self.now);
        match self.dice.below(9) {
            0 => assert_eq!(
                shared.request_interrupt(&task, now).await,
                self.model.request_interrupt(&task, now).await
            ),
            1 => {
                let priority = Priority::new(self.dice.below(3) as i8 - 1).expect("valid");
                let changed = self.model.set_priority(&task, priority, now).await;
                assert_eq!(shared.set_priority(&task, priority, now).await, changed);
            }
            2 => assert_eq!(shared.delete_task(&task).await, self.model.delete_task(&task).await),
            3 => assert_eq!(shared.delete_session(&session).await, self.model.delete_session(&session).await),
            4 => {
                let fork = self.dice.one_in(2).then(|| self.session());
                let workspace = self.dice.one_in(2).then(|| "/w".into());
                let create = CreateSession { id: session, principal: self.principal(), workspace, fork, now };
                let made = self.model.create_session(create.clone()).await;
                assert_eq!(shared.create_session(create).await, made);
            }
            5 => self.drop_beyond(&shared).await,
            6 if !self.questions.is_empty() => {
                let place = self.dice.below(self.questions.len() as u64) as usize;
                let (task, question) = self.questions[place].clone();
                let answer = Answer { allow: self.dice.one_in(2), expired: false, ..Answer::expired() };
                let answered = self.model.answer(&task, question, answer.clone(), now).await;
                assert_eq!(shared.answer(&task, question, answer, now).await, answered);
            }
            _ => self.end_what_is_doomed(&shared).await,
        }
    }

    async fn drop_beyond(&mut self, shared: &RedisStore) {
        let retention = Retention {
            max_tasks: self.dice.below(6),
            max_age: self.dice.one_in(2).then(|| std::time::Duration::from_millis(self.dice.below(40))),
            max_bytes: if self.dice.one_in(2) { 200 } else { u64::MAX },
            min_age: std::time::Duration::from_millis(self.dice.below(3)),
        };
        let sorted = |mut dropped: Dropped| {
            dropped.sessions.sort_by(|a, b| a.id.cmp(&b.id));
            dropped
        };
        let most = 1 + self.dice.below(3) as usize;
        let mut after = None;
        loop {
            let model = self.model.drop_beyond(&retention, self.now, after.clone(), most).await.map(sorted);
            assert_eq!(shared.drop_beyond(&retention, self.now, after, most).await.map(sorted), model);
            after = model.expect("memory").next;
            if after.is_none() {
                return;
            }
        }
    }

    async fn end_what_is_doomed(&mut self, shared: &RedisStore) {
        for doomed in self.model.doomed().await.expect("memory") {
            let task = doomed.task;
            let finish = Finish { now: self.now, ..finish_of(&task.spec.task_id, None, task.tail + 1, true) };
            assert_eq!(shared.finish(finish.clone()).await, self.model.finish(finish).await);
        }
    }

    /// What there is to see is the same.
    async fn compare(&mut self) {
        let (shared, model, task) = (self.server(), &self.model, TaskId::parse("t3").expect("valid"));
        assert_eq!(shared.counts(self.now).await, model.counts(self.now).await);
        assert_eq!(shared.doomed().await, model.doomed().await);
        assert_eq!(shared.open_tasks().await, model.open_tasks().await);
        assert_eq!(shared.sessions().await, model.sessions().await);
        assert_eq!(shared.tasks_ahead(&task).await, model.tasks_ahead(&task).await);
        assert_eq!(shared.read(&task, 1).await, model.read(&task, 1).await);
        let query = TaskQuery {
            filter: TaskFilter::default(),
            order: TaskOrder::NewestFirst,
            after: None,
            most: TASKS as usize,
        };
        assert_eq!(shared.tasks(&query).await, model.tasks(&query).await);
        let filter = FeedFilter::default();
        let (mut redis, mut memory) = (0, 0);
        loop {
            let pages = (shared.read_feed(redis, &filter).await, model.read_feed(memory, &filter).await);
            let (redis_page, memory_page) = (pages.0.expect("redis"), pages.1.expect("memory"));
            assert_eq!(redis_page.entries, memory_page.entries);
            if redis_page.cursor == redis && memory_page.cursor == memory {
                return;
            }
            (redis, memory) = (redis_page.cursor, memory_page.cursor);
        }
    }

    async fn step(&mut self) {
        self.now = self.now.after(std::time::Duration::from_millis(self.dice.below(3)));
        match self.dice.below(10) {
            0..3 => {
                let submit = Submit { spec: self.spec(), max_pending: 12, max_at_work: 0, now: self.now };
                let admitted = self.model.submit(submit.clone()).await;
                assert_eq!(self.server().submit(submit).await, admitted);
            }
            3..5 => self.claim().await,
            5..9 => self.work().await,
            _ => self.change().await,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_answers_what_the_core_answers() {
    let server = Server::start("no");
    for seed in 0..25 {
        let prefix = format!("{{seed-{seed}}}:");
        let servers = [open(&server, &prefix, "one").await, open(&server, &prefix, "two").await];
        let model = MemoryStore::new(CoreSettings::default(), Retention::ALL);
        let mut world = World {
            dice: Dice(seed),
            model,
            servers: servers.map(Arc::new),
            leases: vec![],
            now: NOW,
            questions: vec![],
        };
        for step in 0..250 {
            world.step().await;
            if step % 5 == 0 {
                world.compare().await;
            }
        }
        world.compare().await;
    }
}

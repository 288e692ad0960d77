//! The store: commands go to Redis as scripts, reads to what the readers share or to Redis.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::{Answer, Priority, QuestionId, SessionId, TaskId, Timestamp};
use store::{
    AnswerError, Append, ChangeError, Claim, Claimed, CommitError, CoreSettings, Counted, Counts,
    CreateSession, CreateSessionError, DeleteError, DeleteTaskError, DeletedSession, Doomed, Dropped,
    EndedPlace, FeedFilter, FeedPage, Finish, InstanceRecord, InterruptError, Interrupted, LeaseState, Left,
    LogPage, PutBack, Release, Retention, SessionRecord, Signal, Store, StoreError, Submit, SubmitError,
    Submitted, TaskPage, TaskQuery, TaskRecord,
};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::lease::Membership;
use crate::link::Link;
use crate::live::Live;
use crate::open::OpenError;
use crate::route::Route;
use crate::scripts::Scripts;
use crate::settings::RedisSettings;
use crate::{bus, callers, durability, feed, lease, listing, mail, notes, sweep};

/// What commands, readers and the tasks in the background share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) link: Link,
    pub(crate) scripts: Scripts,
    pub(crate) core: CoreSettings,
    pub(crate) live: Live,
    pub(crate) membership: Membership,
    /// Something was dropped whose events are to be removed.
    pub(crate) dropped: Notify,
}

async fn connect(settings: &RedisSettings) -> Result<Link, OpenError> {
    settings.check()?;
    if settings.speaks_tls() {
        // Whoever came first has chosen the same, or knows why not.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    }
    Ok(Link::new(Route::new(settings)?, settings.prefix.clone(), settings.timeout).await?)
}

/// Looks whether Redis can be reached and used as the settings say, and changes nothing there. Gives what is wrong with how it is set up
/// to keep data, for people to read.
///
/// # Errors
/// When the settings are wrong, or Redis does not answer as it should. What the keys hold is not looked at.
pub async fn inspect(settings: &RedisSettings) -> Result<Vec<String>, OpenError> {
    let link = connect(settings).await?;
    // Who may not ask for the configuration hears only a warning; who is not let in, or reaches nobody, hears that here.
    link.send(&redis::cmd("PING")).await?;
    Ok(durability::warnings(&link).await?)
}

/// The distributed backend.
#[derive(Debug)]
pub struct RedisStore {
    pub(crate) shared: Arc<Shared>,
    background: Mutex<Vec<JoinHandle<()>>>,
}

impl RedisStore {
    /// Connects to Redis and joins the servers that share it.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(settings: RedisSettings) -> Result<Self, OpenError> {
        let link = connect(&settings).await?;
        let scripts = Scripts::default();
        let membership = Membership::join(&link, &scripts, &settings).await?;
        let live = Live::new(bus::position(&link, &scripts).await?);
        let dropped = Notify::new();
        let shared = Arc::new(Shared { link, scripts, core: settings.core, live, membership, dropped });
        let background = vec![
            tokio::spawn(bus::run(Arc::clone(&shared))),
            tokio::spawn(lease::run(Arc::clone(&shared))),
            tokio::spawn(sweep::run(Arc::clone(&shared))),
            tokio::spawn({
                let shared = Arc::clone(&shared);
                async move { shared.link.follow().await }
            }),
        ];
        Ok(Self { shared, background: Mutex::new(background) })
    }

    /// What is wrong with how Redis is set up to keep data, for people to read.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn warnings(&self) -> Result<Vec<String>, StoreError> {
        durability::warnings(&self.shared.link).await
    }

    /// Ends this server's lease: what it still holds can be taken over at once.
    ///
    /// # Errors
    /// When Redis does not answer. Then the lease ends by itself.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.stop();
        lease::leave(&self.shared).await
    }

    fn stop(&self) {
        let background = std::mem::take(&mut *self.background.lock().unwrap_or_else(PoisonError::into_inner));
        background.iter().for_each(JoinHandle::abort);
    }
}

/// What only tests do.
#[cfg(test)]
impl RedisStore {
    /// Does nothing more by itself, as a process that the system has stopped.
    pub(crate) fn freeze(&self) {
        self.stop();
    }

    /// Ends the lease as if it had not been renewed.
    pub(crate) async fn expire(&self) {
        let mut command = redis::cmd("ZADD");
        let leases = format!("{}leases", self.shared.link.prefix);
        command.arg(leases).arg(1).arg(&*self.shared.membership.id());
        self.shared.link.send(&command).await.expect("available");
    }
}

impl Drop for RedisStore {
    fn drop(&mut self) {
        self.stop();
    }
}

#[async_trait]
impl Store for RedisStore {
    fn is_durable(&self) -> bool {
        true
    }

    async fn submit(&self, command: Submit) -> Result<Submitted, SubmitError> {
        self.shared.submit(&command).await
    }

    async fn claim(&self, ticket: u64, now: Timestamp) -> Result<Claim, StoreError> {
        self.shared.claim(ticket, now).await
    }

    async fn doomed(&self) -> Result<Vec<Doomed>, StoreError> {
        self.shared.doomed().await
    }

    async fn take_over(&self, now: Timestamp) -> Result<Vec<Claimed>, StoreError> {
        self.shared.take_over(now).await
    }

    async fn append(&self, command: Append) -> Result<(), CommitError> {
        self.shared.append(command).await
    }

    async fn finish(&self, command: Finish) -> Result<(), CommitError> {
        self.shared.finish(command).await
    }

    async fn put_back(&self, command: PutBack) -> Result<(), CommitError> {
        self.shared.put_back(command).await
    }

    async fn release(&self, command: Release) -> Result<(), StoreError> {
        self.shared.release(&command).await
    }

    async fn request_interrupt(&self, task: &TaskId, now: Timestamp) -> Result<Interrupted, InterruptError> {
        self.shared.request_interrupt(task, now).await
    }

    async fn answer(
        &self,
        task: &TaskId,
        question: QuestionId,
        answer: Answer,
        now: Timestamp,
    ) -> Result<TaskRecord, AnswerError> {
        self.shared.answer(task, question, &answer, now).await
    }

    async fn set_priority(
        &self,
        task: &TaskId,
        priority: Priority,
        now: Timestamp,
    ) -> Result<TaskRecord, ChangeError> {
        self.shared.set_priority(task, priority, now).await
    }

    async fn delete_task(&self, task: &TaskId) -> Result<(), DeleteTaskError> {
        self.shared.delete_task(task).await
    }

    async fn create_session(&self, command: CreateSession) -> Result<SessionRecord, CreateSessionError> {
        self.shared.create_session(&command).await
    }

    async fn delete_session(&self, session: &SessionId) -> Result<DeletedSession, DeleteError> {
        self.shared.delete_session(session).await
    }

    async fn drop_beyond(
        &self,
        retention: &Retention,
        now: Timestamp,
        after: Option<EndedPlace>,
        most: usize,
    ) -> Result<Dropped, StoreError> {
        self.shared.drop_beyond(retention, now, after, most).await
    }

    async fn task(&self, task: &TaskId) -> Result<Option<TaskRecord>, StoreError> {
        self.shared.task(task).await
    }

    async fn tasks(&self, query: &TaskQuery) -> Result<TaskPage, StoreError> {
        listing::page(&self.shared, query).await
    }

    async fn open_tasks(&self) -> Result<Vec<TaskId>, StoreError> {
        self.shared.open_tasks().await
    }

    async fn tasks_ahead(&self, task: &TaskId) -> Result<Option<usize>, StoreError> {
        self.shared.tasks_ahead(task).await
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.shared.probe().await
    }

    async fn counts(&self, now: Timestamp) -> Result<Counts, StoreError> {
        self.shared.counts(now).await
    }

    async fn session(&self, session: &SessionId) -> Result<Option<SessionRecord>, StoreError> {
        self.shared.session(session).await
    }

    async fn sessions(&self) -> Result<Vec<SessionRecord>, StoreError> {
        self.shared.sessions().await
    }

    async fn read(&self, task: &TaskId, after: u64) -> Result<Option<LogPage>, StoreError> {
        self.shared.read(task, after).await
    }

    async fn watch(&self, task: &TaskId) -> Result<Option<watch::Receiver<Signal>>, StoreError> {
        self.shared.watch(task).await
    }

    fn watch_queue(&self) -> watch::Receiver<u64> {
        self.shared.live.watch_queue()
    }

    async fn read_feed(&self, after: u64, filter: &FeedFilter) -> Result<FeedPage, StoreError> {
        feed::read(&self.shared, after, filter).await
    }

    fn watch_feed(&self) -> watch::Receiver<u64> {
        self.shared.live.watch_feed()
    }

    fn lease_ends(&self) -> Option<Duration> {
        Some(self.shared.membership.ends())
    }

    fn lease(&self) -> Option<watch::Receiver<LeaseState>> {
        Some(self.shared.membership.state.subscribe())
    }

    async fn rejoin(&self) -> Result<(), StoreError> {
        self.shared.membership.rejoin(&self.shared.link, &self.shared.scripts).await
    }

    fn watch_take_over(&self) -> Option<watch::Receiver<u64>> {
        Some(self.shared.live.watch_take_over())
    }

    async fn leave_message(&self, task: &TaskId, message: &[u8]) -> Result<Left, StoreError> {
        mail::leave(&self.shared, task, message).await
    }

    async fn take_messages(&self) -> Result<Vec<(TaskId, Bytes)>, StoreError> {
        mail::take(&self.shared).await
    }

    fn watch_messages(&self) -> Option<watch::Receiver<u64>> {
        Some(self.shared.live.watch_mail())
    }

    async fn keep_note(&self, name: &str, note: &[u8], lifetime: Duration) -> Result<(), StoreError> {
        notes::keep(&self.shared, name, note, lifetime).await
    }

    async fn note(&self, name: &str) -> Result<Option<Bytes>, StoreError> {
        notes::read(&self.shared, name).await
    }

    async fn take_note(&self, name: &str) -> Result<Option<Bytes>, StoreError> {
        notes::take(&self.shared, name).await
    }

    async fn count_request(
        &self,
        caller: &str,
        per_minute: NonZeroU32,
    ) -> Result<Option<Counted>, StoreError> {
        callers::count(&self.shared, caller, per_minute).await.map(Some)
    }

    async fn share_revoked(&self, keys: &[String]) -> Result<Vec<String>, StoreError> {
        callers::share_revoked(&self.shared, keys).await
    }

    fn instance(&self) -> Option<String> {
        Some(self.shared.membership.id().to_string())
    }

    fn is_draining(&self) -> bool {
        self.shared.membership.is_draining()
    }

    async fn instances(&self) -> Result<Vec<InstanceRecord>, StoreError> {
        lease::list(&self.shared).await
    }

    async fn set_draining(&self, instance: &str, draining: bool) -> Result<bool, StoreError> {
        lease::set_draining(&self.shared, instance, draining).await
    }
}

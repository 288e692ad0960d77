//! What every backend does.

use std::num::NonZeroU32;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::{Answer, Priority, QuestionId, SessionId, TaskId, Timestamp};
use tokio::sync::watch;

use crate::command::{
    AnswerError, Append, ChangeError, CommitError, CreateSession, CreateSessionError, DeleteError,
    DeleteTaskError, Finish, InterruptError, Interrupted, PutBack, Release, StoreError, Submit, SubmitError,
};
use crate::retention::{Dropped, EndedPlace, Retention};
use crate::{
    Claim, Claimed, Counted, Counts, DeletedSession, Doomed, FeedFilter, FeedPage, InstanceRecord,
    LeaseState, Left, LogPage, SessionRecord, Signal, Submitted, TaskPage, TaskQuery, TaskRecord,
};

/// The event log, the queue and the sessions. Each method is one atomic command or one consistent read. An error of the
/// storage itself leaves open whether a command was carried out; each can be repeated safely.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Whether what is stored outlives the server's process.
    fn is_durable(&self) -> bool;

    /// Admits a task. The same id with the same fingerprint gives the existing task.
    async fn submit(&self, command: Submit) -> Result<Submitted, SubmitError>;

    /// Hands the task whose turn it is to a worker, and its session with it. Who got no answer asks again with the same
    /// ticket, and gets the same task; every other claim needs another ticket.
    async fn claim(&self, ticket: u64, now: Timestamp) -> Result<Claim, StoreError>;

    /// The waiting tasks that are to be ended without an agent.
    async fn doomed(&self) -> Result<Vec<Doomed>, StoreError>;

    /// Takes over what workers of an earlier process held, under leases of this one; gives the tasks that were running.
    /// Sessions that were held though their task had ended are given back. What was taken over comes again, under the same lease,
    /// until its session is given back.
    async fn take_over(&self, now: Timestamp) -> Result<Vec<Claimed>, StoreError>;

    /// Adds events to a running task.
    async fn append(&self, command: Append) -> Result<(), CommitError>;

    /// Ends a task. Its session stays held until the release.
    async fn finish(&self, command: Finish) -> Result<(), CommitError>;

    /// Lets a running task wait for another attempt. Its session stays held until the release, and runs nothing else before
    /// that attempt.
    async fn put_back(&self, command: PutBack) -> Result<(), CommitError>;

    /// Gives a session back. Releasing under an outdated lease changes nothing.
    async fn release(&self, command: Release) -> Result<(), StoreError>;

    /// Records the wish to stop a task and wakes its worker.
    async fn request_interrupt(&self, task: &TaskId, now: Timestamp) -> Result<Interrupted, InterruptError>;

    /// Takes the answer to a question that a task waits for. The same answer may be given again.
    async fn answer(
        &self,
        task: &TaskId,
        question: QuestionId,
        answer: Answer,
        now: Timestamp,
    ) -> Result<TaskRecord, AnswerError>;

    /// Makes a waiting task more or less urgent.
    async fn set_priority(
        &self,
        task: &TaskId,
        priority: Priority,
        now: Timestamp,
    ) -> Result<TaskRecord, ChangeError>;

    /// Forgets a task that has ended, and its events. Its session stays.
    async fn delete_task(&self, task: &TaskId) -> Result<(), DeleteTaskError>;

    /// Makes a session before its first task.
    async fn create_session(&self, command: CreateSession) -> Result<SessionRecord, CreateSessionError>;

    /// Forgets a session that nothing runs or waits in.
    async fn delete_session(&self, session: &SessionId) -> Result<DeletedSession, DeleteError>;

    /// Drops ended tasks beyond what is to be kept, at most so many at once, and sessions that nothing is left of. Looks at the oldest
    /// first, or goes on after the one that it had come to.
    async fn drop_beyond(
        &self,
        retention: &Retention,
        now: Timestamp,
        after: Option<EndedPlace>,
        most: usize,
    ) -> Result<Dropped, StoreError>;

    /// A task.
    async fn task(&self, task: &TaskId) -> Result<Option<TaskRecord>, StoreError>;

    /// A page of a list of tasks.
    async fn tasks(&self, query: &TaskQuery) -> Result<TaskPage, StoreError>;

    /// The ids of all tasks that have not ended, oldest first.
    async fn open_tasks(&self) -> Result<Vec<TaskId>, StoreError>;

    /// How many tasks go before a waiting one, by priority and age; `None` when it does not wait.
    async fn tasks_ahead(&self, task: &TaskId) -> Result<Option<usize>, StoreError>;

    /// Writes something that nobody reads, by the way that commands take: it fails when a small submission would.
    async fn probe(&self) -> Result<(), StoreError>;

    /// How much goes on at that time.
    async fn counts(&self, now: Timestamp) -> Result<Counts, StoreError>;

    /// A session.
    async fn session(&self, session: &SessionId) -> Result<Option<SessionRecord>, StoreError>;

    /// All sessions, oldest first.
    async fn sessions(&self) -> Result<Vec<SessionRecord>, StoreError>;

    /// The events of a task after a cursor: all, or as many as make a page. `None` when there is no such task.
    async fn read(&self, task: &TaskId, after: u64) -> Result<Option<LogPage>, StoreError>;

    /// Wake-ups of one task. `None` when there is no such task. What was signalled before counts as seen: look at the
    /// signal, or at the task, before waiting for a change.
    async fn watch(&self, task: &TaskId) -> Result<Option<watch::Receiver<Signal>>, StoreError>;

    /// Wake-ups of the queue: changes whenever a claim may succeed that did not before, a task is doomed, or a session is
    /// given back.
    fn watch_queue(&self) -> watch::Receiver<u64>;

    /// The entries of all tasks after a cursor, as many as make a page. Events stand in it as in their tasks' logs, and
    /// notices of what became of tasks that have not ended.
    async fn read_feed(&self, after: u64, filter: &FeedFilter) -> Result<FeedPage, StoreError>;

    /// Wake-ups of the feed: the place of its last entry.
    fn watch_feed(&self) -> watch::Receiver<u64>;

    /// Whether this server may go on with what it was handed; `None` when the store is its alone, so that nobody can take it
    /// away. When the lease is lost, agents have to end before anything else.
    fn lease(&self) -> Option<watch::Receiver<LeaseState>> {
        None
    }

    /// Until when the lease holds at the latest, as [`crate::boot_time`]; `None` when the store is this server's alone. Once that time
    /// is over, asking for it makes the lease lost.
    fn lease_ends(&self) -> Option<Duration> {
        None
    }

    /// Begins anew after the lease was lost and all agents have ended. Older tokens stay stale; what this server ran and
    /// nobody has taken over comes back by [`Self::take_over`].
    async fn rejoin(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Wake-ups when another server has died and left something to be taken over; `None` when the store is this server's
    /// alone.
    fn watch_take_over(&self) -> Option<watch::Receiver<u64>> {
        None
    }

    /// Leaves a message for the worker of a running task, whichever server that is at. It may get lost with that server: who needs to
    /// know looks for what comes of it in the task's log.
    async fn leave_message(&self, _task: &TaskId, _message: &[u8]) -> Result<Left, StoreError> {
        Ok(Left::NotShared)
    }

    /// Takes the messages that were left for tasks of this server, in order.
    async fn take_messages(&self) -> Result<Vec<(TaskId, Bytes)>, StoreError> {
        Ok(Vec::new())
    }

    /// Wake-ups when messages may have been left; `None` when the store is this server's alone.
    fn watch_messages(&self) -> Option<watch::Receiver<u64>> {
        None
    }

    /// Keeps a note for a while, for all servers that share the store. A store that is not shared keeps none.
    async fn keep_note(&self, _name: &str, _note: &[u8], _lifetime: Duration) -> Result<(), StoreError> {
        Ok(())
    }

    /// A note, if it is still there.
    async fn note(&self, _name: &str) -> Result<Option<Bytes>, StoreError> {
        Ok(None)
    }

    /// Takes a note away: one server gets it.
    async fn take_note(&self, _name: &str) -> Result<Option<Bytes>, StoreError> {
        Ok(None)
    }

    /// Counts a request of a caller who may make so many a minute at all servers together, and all of them at once after a quiet
    /// minute. `None` when the store is this server's alone: then it counts for itself.
    async fn count_request(
        &self,
        _caller: &str,
        _per_minute: NonZeroU32,
    ) -> Result<Option<Counted>, StoreError> {
        Ok(None)
    }

    /// Tells all servers that share the store which keys were revoked here, by their ids; gives those that were revoked at any.
    async fn share_revoked(&self, _keys: &[String]) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }

    /// The id of this server among those that share the store, if it is shared.
    fn instance(&self) -> Option<String> {
        None
    }

    /// Whether this server is to be handed nothing more, as it last heard.
    fn is_draining(&self) -> bool {
        false
    }

    /// The servers that share the store; none when it is not shared.
    async fn instances(&self) -> Result<Vec<InstanceRecord>, StoreError> {
        Ok(Vec::new())
    }

    /// Says whether a server is to be handed nothing more. Tells whether there is such a one.
    async fn set_draining(&self, _instance: &str, _draining: bool) -> Result<bool, StoreError> {
        Ok(false)
    }
}

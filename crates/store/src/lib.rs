//! Traits for the event log, the queue and the sessions, the memory backend and the conformance suite.
//!
//! A backend applies a closed set of commands, each atomically: what a command changed is durable when it returns,
//! and only then visible to readers. Task and session records are projections, updated in the same commit as the
//! events that they follow from.
//!
//! What the commands mean is decided once, in [`Core`], for every backend that can run it inside a transaction of its own:
//! such a backend only keeps rows and bytes ([`Tables`]).

mod batch;
mod command;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod core;
mod feed;
mod instance;
mod listing;
mod live;
mod memory;
mod queue;
mod records;
mod retention;
mod store;
mod tables;

pub use batch::{BatchBuilder, EncodedEvent, EventBatch};
pub use command::{
    AnswerError, Append, ChangeError, CommitError, CreateSession, CreateSessionError, DeleteError,
    DeleteTaskError, Finish, InterruptError, Interrupted, PutBack, Release, StoreError, Submit, SubmitError,
};
pub use core::{Core, CoreSettings, News, Notice, TaskNews};
pub use feed::FeedBuilder;
pub use instance::{Counted, InstanceRecord, LeaseState, Left, boot_time};
pub use listing::{LOOKED_AT, TaskFilter, TaskOrder, TaskPage, TaskQuery};
pub use live::{Live, LogBuilder, page, settled};
pub use memory::{KEPT_IN_MEMORY, MemoryStore};
pub use records::{
    Claim, Claimed, Counts, DeletedSession, Doom, Doomed, FeedEntry, FeedFilter, FeedPage, LogPage,
    SessionRecord, Signal, Submitted, TaskRecord, WaitReason, Waiting,
};
pub use retention::{Dropped, EndedPlace, PASSED_OVER_AT_ONCE, Retention};
pub use store::Store;
pub use tables::{Counters, EndedTask, SessionRow, Tables, TaskRow};

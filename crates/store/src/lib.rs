//! Traits for the event log, the queue and the sessions, the memory backend and the conformance suite.
//!
//! A backend applies a closed set of commands, each atomically: what a command changed is durable when it returns,
//! and only then visible to readers. Task and session records are projections, updated in the same commit as the
//! events that they follow from.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod memory;
mod records;
mod store;

pub use memory::{MemoryStore, Retention};
pub use records::{Claimed, Counts, EncodedEvent, LogPage, SessionRecord, Signal, Submitted, TaskRecord};
pub use store::{
    Append, CommitError, DeleteError, Finish, InterruptError, Interrupted, Release, Store, StoreError,
    Submit, SubmitError,
};

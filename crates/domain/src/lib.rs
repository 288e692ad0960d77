//! Ids, states and their legal transitions, limits and the clock: pure, no IO.
//!
//! The words here have one meaning each; `ARCHITECTURE.md` holds the table.

mod agent_options;
mod clock;
mod ids;
mod instance_label;
mod labels;
mod outcome;
mod progress;
mod question;
mod schedule;
mod status;
mod task;

pub use agent_options::{AgentOptions, Effort};
pub use clock::{Clock, SystemClock, Timestamp};
pub use ids::{ConversationId, IdError, LeaseToken, MAX_ID_LENGTH, Principal, SessionId, TaskId};
pub use instance_label::{InstanceLabel, InstanceLabelError, MAX_INSTANCE_LABEL, MAX_INSTANCE_LABELS};
pub use labels::{LabelError, LabelFilter, Labels, MAX_LABEL_KEY, MAX_LABEL_VALUE, MAX_LABELS};
pub use outcome::{Ending, Outcome};
pub use progress::{Progress, TokenUsage};
pub use question::{Answer, Answered, InputDigest, OnQuestion, Question, QuestionId, Questions};
pub use schedule::{OnRestart, OnStall, Policy, Priority, Retry, Schedule};
pub use status::{PermissionMode, SessionStatus, TaskStatus};
pub use task::{Fingerprint, SessionChoice, TaskOptions, TaskSpec, WhenBusy};

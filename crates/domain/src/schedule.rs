//! When a task is worked on, and what happens when something goes wrong with it.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{InstanceLabel, OnQuestion, TaskId, Timestamp};

/// How urgent a task is: a task of a higher one goes first, whoever waits.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, ToSchema,
)]
#[schema(value_type = i8, minimum = -100, maximum = 100)]
pub struct Priority(i8);

impl Priority {
    /// The least urgent.
    pub const LOWEST: i8 = -100;
    /// The most urgent.
    pub const HIGHEST: i8 = 100;

    /// A priority from [`Self::LOWEST`] to [`Self::HIGHEST`]; 0 is the usual one.
    pub fn new(value: i8) -> Option<Self> {
        (Self::LOWEST..=Self::HIGHEST).contains(&value).then_some(Self(value))
    }

    /// As a number.
    pub const fn value(self) -> i8 {
        self.0
    }
}

/// When a task may start.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Schedule {
    /// How urgent it is.
    pub priority: Priority,
    /// Not before this moment.
    pub start_at: Option<Timestamp>,
    /// Not before these have completed. It fails when one of them does not.
    pub depends_on: Vec<TaskId>,
    /// Not while so many tasks of its principal are at work.
    #[serde(default)]
    pub max_running: Option<NonZeroU32>,
    /// Labels that its server has to have, where several share a store.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub runs_on: BTreeSet<InstanceLabel>,
}

/// How often a task is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// Most attempts, from 1. Attempts after a rate limit do not count.
    pub max_attempts: u32,
    /// Whether it is tried again although tools were used: what they did is then done twice, unless the conversation can
    /// be carried on.
    pub after_side_effects: bool,
}

impl Default for Retry {
    fn default() -> Self {
        Self { max_attempts: 1, after_side_effects: false }
    }
}

/// What becomes of a running task when its server dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnRestart {
    /// It ends as interrupted, with the reason.
    #[default]
    Interrupt,
    /// A new attempt carries its conversation on.
    Resume,
}

/// What is done with an agent that makes no progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnStall {
    /// It is reported, and left alone until the task's timeout.
    #[default]
    Report,
    /// The task fails.
    Fail,
    /// A new attempt carries the conversation on.
    Resume,
}

/// What to do when something goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// How often the task is tried.
    pub retry: Retry,
    /// After a crash of the server.
    pub on_restart: OnRestart,
    /// When the agent makes no progress.
    pub on_stall: OnStall,
    /// How long background tasks may go on after the turn that began them.
    pub background: Duration,
    /// When the agent needs a permission that the options do not give.
    #[serde(default)]
    pub on_question: OnQuestion,
    /// How long a question waits for its answer; then it is refused.
    #[serde(default = "a_day")]
    pub answer_within: Duration,
}

const fn a_day() -> Duration {
    Duration::from_secs(24 * 3600)
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            retry: Retry::default(),
            on_restart: OnRestart::default(),
            on_stall: OnStall::default(),
            // As long as the CLI itself waits for background tasks when its input ends.
            background: Duration::from_secs(600),
            on_question: OnQuestion::default(),
            answer_within: a_day(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_priority_lies_between_its_bounds() {
        assert_eq!(Priority::new(100).map(Priority::value), Some(100));
        assert_eq!((Priority::new(101), Priority::new(-101)), (None, None));
        assert_eq!(Priority::default(), Priority::new(0).expect("valid"));
    }
}

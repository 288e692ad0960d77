//! How far a task has got.

use std::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};

/// Tokens by the way in which they are charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TokenUsage {
    /// Input that was neither read from nor written to the prompt cache.
    pub input: u64,
    /// Output, thinking included.
    pub output: u64,
    /// Input read from the prompt cache.
    pub cache_read: u64,
    /// Input written to the prompt cache.
    pub cache_creation: u64,
}

impl TokenUsage {
    /// All input, cached or not.
    pub const fn total_input(self) -> u64 {
        self.input.saturating_add(self.cache_read).saturating_add(self.cache_creation)
    }

    /// Everything.
    pub const fn total(self) -> u64 {
        self.total_input().saturating_add(self.output)
    }
}

impl Add for TokenUsage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            output: self.output.saturating_add(other.output),
            cache_read: self.cache_read.saturating_add(other.cache_read),
            cache_creation: self.cache_creation.saturating_add(other.cache_creation),
        }
    }
}

impl AddAssign for TokenUsage {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

/// The counters of a task, from what the CLI reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Model answers so far; at the end the CLI's own `num_turns`.
    pub turns: u64,
    /// Tokens so far, sub-agents included once a turn has ended.
    pub tokens: TokenUsage,
    /// Distinct files that tools really changed.
    pub files_modified: u64,
    /// Time since an agent took the task, in milliseconds.
    pub elapsed_ms: u64,
}

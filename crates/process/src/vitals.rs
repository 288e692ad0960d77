//! What a child and its tree use.

use std::time::Duration;

/// What a child and its tree use, as the process table tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vitals {
    /// Processor time of the child itself so far.
    pub cpu: Duration,
    /// Processor time of its descendants so far, those among them that have ended and were waited for. Becomes less
    /// when one ends whose parent does not wait for it.
    pub children_cpu: Duration,
    /// Descendants that live.
    pub children: usize,
    /// Resident memory of the child and its descendants. What they share counts for each.
    pub memory_bytes: u64,
}

//! Tells an agent that works in silence from one that hangs.
//!
//! A tool may be silent for as long as it likes while it has a process that lives; a model that answers writes all the time.
//! So an agent hangs when nothing was heard of it for long, and no tool of it is at work.

use std::collections::HashSet;
use std::time::Duration;

use agent::{Said, Statement, Vitals};

use super::{Effect, Machine};

/// What is known of the agent's tools.
#[derive(Debug, Default)]
pub(super) struct Watch {
    open_calls: HashSet<String>,
    has_used_tools: bool,
    children_cpu: Duration,
    /// Whether the present silence was reported.
    reported: bool,
}

/// More at once is no real agent.
const MOST_OPEN_CALLS: usize = 10_000;

impl Watch {
    pub(super) fn said(&mut self, said: &Said) {
        match &said.statement {
            Statement::ToolUse { id, .. } => {
                self.has_used_tools = true;
                if self.open_calls.len() < MOST_OPEN_CALLS {
                    self.open_calls.insert(id.clone());
                }
            }
            Statement::ToolResult { id, .. } => {
                self.open_calls.remove(id);
            }
            _ => {}
        }
    }

    pub(super) fn turn_ended(&mut self) {
        self.open_calls.clear();
    }

    pub(super) fn has_used_tools(&self) -> bool {
        self.has_used_tools
    }

    pub(super) fn open_calls(&self) -> usize {
        self.open_calls.len()
    }

    /// Whether a tool is at work: it was called and has a process that lives, or has used the processor since.
    fn tool_works(&mut self, vitals: Option<Vitals>) -> bool {
        let Some(vitals) = vitals else { return !self.open_calls.is_empty() };
        let before = std::mem::replace(&mut self.children_cpu, vitals.children_cpu);
        !self.open_calls.is_empty() && (vitals.children > 0 || vitals.children_cpu > before)
    }
}

impl Machine {
    /// Judges an agent by its silence and by what its processes do.
    pub(super) fn looked(&mut self, silent_ms: u64, vitals: Option<Vitals>) {
        let tool_works = self.watch.tool_works(vitals);
        let is_silent = silent_ms >= self.plan.stall_after_ms;
        let hangs = is_silent && !tool_works && self.background == 0;
        if !hangs {
            self.watch.reported &= is_silent;
        } else if !self.watch.reported {
            self.watch.reported = true;
            self.stalled(silent_ms / 1000);
        }
    }

    /// Goes on with a conversation that holds the prompt already.
    pub(super) fn send_continuation(&mut self) {
        let (id, text) = self.plan.continuation.clone();
        self.effects.push(Effect::Prompt { id, text });
    }
}

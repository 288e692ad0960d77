//! What was counted, and what went wrong.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};

/// Faults that are told in full; all are counted.
const TOLD: usize = 100;
/// Longest account of a fault, in bytes.
const LONGEST: usize = 2_000;

/// What must not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fault {
    /// A reader was not given an event.
    MissedEvent,
    /// A reader was given an event again, or one after `complete`.
    DoubledEvent,
    /// A task that was admitted is unknown, or has not ended at the end.
    LostTask,
    /// Nothing was heard of a task for long.
    StuckTask,
    /// A task ended otherwise than it had to.
    WrongOutcome,
    /// A conversation does not know what was said in it.
    ForgottenConversation,
    /// A request was answered otherwise than it had to be.
    UnexpectedAnswer,
    /// A connection failed, or was closed in another way, while the server was there.
    CutConnection,
    /// A process outlived its server.
    OrphanProcess,
    /// A server did not end in order when it was told to.
    WrongExit,
    /// A server ended by itself.
    ServerDeath,
    /// The database is not whole at the end.
    DamagedDatabase,
}

impl Fault {
    /// All of them, in the order of their numbers.
    pub(crate) const ALL: [Self; 12] = [
        Self::MissedEvent,
        Self::DoubledEvent,
        Self::LostTask,
        Self::StuckTask,
        Self::WrongOutcome,
        Self::ForgottenConversation,
        Self::UnexpectedAnswer,
        Self::CutConnection,
        Self::OrphanProcess,
        Self::WrongExit,
        Self::ServerDeath,
        Self::DamagedDatabase,
    ];
}

/// What happened and may.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Tasks that were admitted.
    pub(crate) tasks: u64,
    /// Of these, tasks of the real CLI.
    pub(crate) real_tasks: u64,
    pub(crate) completed: u64,
    /// Tasks that ended interrupted because somebody asked for it.
    pub(crate) interrupted_by_callers: u64,
    /// Tasks that ended interrupted with their server, as they had chosen.
    pub(crate) interrupted_by_restarts: u64,
    /// Tasks that completed over a restart, as they had chosen.
    pub(crate) outlasted_restarts: u64,
    /// Tasks that found their session's conversation cut off by a kill, and were told so.
    pub(crate) conversations_cut_by_restarts: u64,
    /// Calls of the real CLI that a restart cut off before they did anything. The model is told that their outcome is not known; the
    /// scripted one does not make them again.
    #[serde(default)]
    pub(crate) calls_cut_by_restarts: u64,
    /// Submissions that had to be made again because there was no room.
    pub(crate) refused_for_room: u64,
    /// Requests that were made again after a restart.
    pub(crate) repeated_requests: u64,
    /// Events that readers were given, each checked.
    pub(crate) events_read: u64,
    /// Connections of readers.
    pub(crate) connections: u64,
    /// Times that a reader left by itself and came back with its cursor.
    pub(crate) readers_came_back: u64,
    /// Prompts of a conversation that were asked for and recalled.
    pub(crate) prompts_recalled: u64,
    /// Sessions that were deleted by callers.
    pub(crate) deleted_sessions: u64,
}

/// A fault's account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Account {
    /// Seconds since the start of the run.
    pub(crate) at: f64,
    pub(crate) fault: Fault,
    pub(crate) what: String,
}

/// All that was counted.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Counted {
    pub(crate) counts: Counts,
    /// How often each fault happened.
    pub(crate) faults: BTreeMap<Fault, u64>,
    /// The first of them.
    pub(crate) accounts: Vec<Account>,
}

/// Counts for all callers.
pub(crate) struct Tally {
    start: Instant,
    counted: Mutex<Counted>,
}

impl Tally {
    pub(crate) fn new(start: Instant) -> Self {
        let faults = Fault::ALL.map(|fault| (fault, 0)).into();
        Self { start, counted: Mutex::new(Counted { faults, ..Counted::default() }) }
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts something that may happen.
    pub(crate) fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.lock().counts);
    }

    /// Something happened that must not.
    pub(crate) fn fault(&self, fault: Fault, times: u64, what: impl Into<String>) {
        let mut what = what.into();
        what.truncate(what.floor_char_boundary(LONGEST));
        let at = self.start.elapsed().as_secs_f64();
        let mut counted = self.lock();
        *counted.faults.entry(fault).or_default() += times;
        if counted.accounts.len() < TOLD {
            counted.accounts.push(Account { at, fault, what });
        }
    }

    /// All of it, as it is now.
    pub(crate) fn counted(&self) -> Counted {
        self.lock().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_counted_and_the_first_ones_are_told() {
        let tally = Tally::new(Instant::now());
        for number in 0..150 {
            tally.fault(Fault::MissedEvent, 2, format!("number {number}"));
        }
        let counted = tally.counted();
        assert_eq!(counted.faults.values().sum::<u64>(), 300);
        assert_eq!(counted.faults.get(&Fault::MissedEvent), Some(&300));
        assert_eq!(counted.faults.len(), Fault::ALL.len());
        assert_eq!(counted.accounts.len(), TOLD);
        assert_eq!(counted.accounts.first().map(|account| account.what.as_str()), Some("number 0"));
    }
}

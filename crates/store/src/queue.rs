//! Whose turn it is: priorities, fair shares, one task a session at a time, delays and dependencies. Pure.
//!
//! A task is a candidate when its time has come, what it depends on has completed, nobody holds its session, and no task
//! before it in the session is a candidate or has begun. Of the candidates the highest priority goes first; among equals the
//! principal with the fewest tasks at work (one that has as many as it may is passed over), then its workspace with the fewest, then whoever was served longest ago,
//! then the oldest task.

mod fair;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::num::NonZeroU32;
use std::path::PathBuf;

use domain::{Principal, Priority, SessionId, TaskId, Timestamp};

use self::fair::Shares;
use crate::Doom;

/// A task that waits.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) task: TaskId,
    pub(crate) session: SessionId,
    pub(crate) share: Share,
    pub(crate) priority: Priority,
    /// How many tasks of its principal may be at work at once.
    pub(crate) max_running: Option<NonZeroU32>,
    /// Not before then.
    pub(crate) until: Option<Timestamp>,
    /// Open tasks that have to complete first.
    pub(crate) waits_for: HashSet<TaskId>,
    /// Whether an attempt was made already: then nothing of its session goes before it.
    pub(crate) begun: bool,
    pub(crate) doom: Option<Doom>,
}

/// Tasks that wait for nothing but to be claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Going {
    pub(crate) all: usize,
    /// Of those, the ones that have not begun.
    pub(crate) not_begun: usize,
}

/// When a task's turn can come at the earliest: never by time alone while it depends on others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    At(Timestamp),
    AfterOthers,
}

impl Entry {
    /// When a task that has not begun is due; `None` when it is, has begun, or is to be ended.
    fn due(&self) -> Option<Due> {
        if self.begun || self.doom.is_some() {
            return None;
        }
        if self.waits_for.is_empty() { self.until.map(Due::At) } else { Some(Due::AfterOthers) }
    }
}

/// Whose share of the agents a task takes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Share {
    pub(crate) principal: Principal,
    pub(crate) workspace: PathBuf,
}

/// What waits in one session, by number, and whether somebody holds it.
#[derive(Debug, Default)]
struct Lane {
    waiting: BTreeSet<u64>,
    held: bool,
    /// The one that may go, as far as the session is concerned.
    candidate: Option<u64>,
}

/// The waiting tasks, by their numbers: a lower one was admitted earlier.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    entries: BTreeMap<u64, Entry>,
    numbers: HashMap<TaskId, u64>,
    lanes: HashMap<SessionId, Lane>,
    delayed: BTreeSet<(Timestamp, u64)>,
    /// Those that are not due yet, as far as was looked.
    scheduled: BTreeSet<(Due, u64)>,
    dependents: HashMap<TaskId, Vec<u64>>,
    doomed: BTreeSet<u64>,
    shares: Shares,
    not_begun: usize,
    held: usize,
}

impl Queue {
    /// Adds a waiting task.
    pub(crate) fn insert(&mut self, number: u64, entry: Entry) {
        for dependency in &entry.waits_for {
            self.dependents.entry(dependency.clone()).or_default().push(number);
        }
        if let Some(until) = entry.until {
            self.delayed.insert((until, number));
        }
        if entry.doom.is_some() {
            self.doomed.insert(number);
        }
        if let Some(due) = entry.due() {
            self.scheduled.insert((due, number));
        }
        self.not_begun += usize::from(!entry.begun);
        self.lanes.entry(entry.session.clone()).or_default().waiting.insert(number);
        self.numbers.insert(entry.task.clone(), number);
        let session = entry.session.clone();
        self.entries.insert(number, entry);
        self.choose_candidate(&session);
    }

    /// Takes a task out: it was claimed or has ended.
    pub(crate) fn remove(&mut self, task: &TaskId) -> Option<Entry> {
        let number = self.numbers.remove(task)?;
        let entry = self.entries.remove(&number)?;
        if let Some(until) = entry.until {
            self.delayed.remove(&(until, number));
        }
        if let Some(due) = entry.due() {
            self.scheduled.remove(&(due, number));
        }
        self.doomed.remove(&number);
        self.forget_dependencies(number, &entry);
        self.not_begun -= usize::from(!entry.begun);
        if let Some(lane) = self.lanes.get_mut(&entry.session) {
            lane.waiting.remove(&number);
            if lane.candidate == Some(number) {
                lane.candidate = None;
                self.shares.remove(entry.priority, &entry.share, number);
            }
        }
        self.choose_candidate(&entry.session);
        Some(entry)
    }

    fn forget_dependencies(&mut self, number: u64, entry: &Entry) {
        for dependency in &entry.waits_for {
            let Some(dependents) = self.dependents.get_mut(dependency) else { continue };
            dependents.retain(|dependent| *dependent != number);
            if dependents.is_empty() {
                self.dependents.remove(dependency);
            }
        }
    }

    /// The task whose turn it is. It stays until it is removed.
    pub(crate) fn next(&mut self, now: Timestamp) -> Option<TaskId> {
        self.let_in(now);
        let number = self.shares.next()?;
        self.entries.get(&number).map(|entry| entry.task.clone())
    }

    /// When the next delayed task may go, if nothing else happens.
    pub(crate) fn next_time(&self) -> Option<Timestamp> {
        self.delayed.first().map(|(until, _)| *until)
    }

    /// Whether a session is held: then nothing of it is a candidate.
    pub(crate) fn set_held(&mut self, session: &SessionId, held: bool) {
        let lane = self.lanes.entry(session.clone()).or_default();
        match (std::mem::replace(&mut lane.held, held), held) {
            (false, true) => self.held += 1,
            (true, false) => self.held -= 1,
            _ => {}
        }
        self.choose_candidate(session);
    }

    /// Counts a task as at work, or no longer.
    pub(crate) fn set_at_work(&mut self, share: &Share, at_work: bool) {
        if at_work { self.shares.begin(share) } else { self.shares.end(share) }
    }

    /// A task has ended: those that depend on it may go, or are doomed.
    pub(crate) fn dependency_ended(&mut self, task: &TaskId, failed: Option<&Doom>) {
        for number in self.dependents.remove(task).unwrap_or_default() {
            self.change(number, |entry| {
                entry.waits_for.remove(task);
                if let Some(doom) = failed {
                    entry.doom.get_or_insert_with(|| doom.clone());
                }
            });
        }
    }

    /// Says that a waiting task is not to run.
    pub(crate) fn doom(&mut self, task: &TaskId, doom: Doom) {
        let Some(number) = self.numbers.get(task).copied() else { return };
        self.change(number, |entry| {
            entry.doom.get_or_insert(doom);
        });
    }

    /// Changes what holds a waiting task up.
    fn change(&mut self, number: u64, change: impl FnOnce(&mut Entry)) {
        let Some(entry) = self.entries.get_mut(&number) else { return };
        let before = entry.due();
        change(entry);
        let (due, session) = (entry.due(), entry.session.clone());
        if entry.doom.is_some() {
            self.doomed.insert(number);
        }
        if let Some(before) = before {
            self.scheduled.remove(&(before, number));
        }
        if let Some(due) = due {
            self.scheduled.insert((due, number));
        }
        self.choose_candidate(&session);
    }

    /// The tasks that are not to run.
    pub(crate) fn doomed(&self) -> impl Iterator<Item = (&TaskId, &Doom)> {
        let entries = self.doomed.iter().filter_map(|number| self.entries.get(number));
        entries.filter_map(|entry| Some((&entry.task, entry.doom.as_ref()?)))
    }

    /// Whether a waiting task depends on this one. One that is doomed by it does until it has ended: a crash before that
    /// must find the reason again.
    pub(crate) fn is_needed(&self, task: &TaskId) -> bool {
        let dooms = |doom: &Doom| matches!(doom, Doom::DependencyEnded(ended, _) if ended == task);
        self.dependents.contains_key(task) || self.doomed().any(|(_, doom)| dooms(doom))
    }

    /// Tasks that wait and have not begun.
    pub(crate) fn not_begun(&self) -> usize {
        self.not_begun
    }

    /// Of those, the ones whose time has not come, or that depend on others. What has become due since somebody claimed last is
    /// looked at one by one.
    pub(crate) fn scheduled(&self, now: Timestamp) -> usize {
        let due = self.scheduled.range(..=(Due::At(now), u64::MAX)).count();
        self.scheduled.len() - due
    }

    /// When the next of them becomes due by time alone, or has since somebody claimed last.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        match self.scheduled.first() {
            Some((Due::At(time), _)) => Some(*time),
            _ => None,
        }
    }

    /// The tasks that go at once when so many may. Those that have begun go first, as far as this says.
    pub(crate) fn going(&self, free: usize) -> Going {
        let able = self.shares.able();
        let has_begun = |number: &&u64| self.entries.get(*number).is_some_and(|entry| entry.begun);
        let begun = able.iter().filter(has_begun).count();
        let not_begun = (able.len() - begun).min(free.saturating_sub(begun));
        Going { all: able.len().min(free), not_begun }
    }

    /// Sessions that are held.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Tasks that wait.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many go before a waiting task by priority and age; those that are parked until later do not.
    pub(crate) fn ahead(&self, task: &TaskId) -> Option<usize> {
        let number = self.numbers.get(task)?;
        let priority = self.entries.get(number)?.priority;
        let before = |(other, entry): &(&u64, &Entry)| {
            let is_parked = entry.begun && entry.until.is_some();
            !is_parked && (entry.priority > priority || (entry.priority == priority && *other < number))
        };
        Some(self.entries.iter().filter(before).count())
    }

    /// Lets in what was delayed until now.
    fn let_in(&mut self, now: Timestamp) {
        while let Some((until, number)) = self.delayed.first().copied()
            && until <= now
        {
            self.delayed.pop_first();
            self.change(number, |entry| entry.until = None);
        }
    }

    /// Finds out which task of a session may go, if any.
    fn choose_candidate(&mut self, session: &SessionId) {
        let Some(lane) = self.lanes.get_mut(session) else { return };
        let mut candidate = None;
        if !lane.held {
            for number in &lane.waiting {
                let Some(entry) = self.entries.get(number) else { continue };
                let ready = entry.until.is_none() && entry.waits_for.is_empty() && entry.doom.is_none();
                if ready {
                    candidate = Some(*number);
                }
                if ready || (entry.begun && entry.doom.is_none()) {
                    break;
                }
            }
        }
        if lane.candidate != candidate {
            let before = std::mem::replace(&mut lane.candidate, candidate);
            if let Some((number, entry)) = before.and_then(|number| self.entries.get_key_value(&number)) {
                self.shares.remove(entry.priority, &entry.share, *number);
            }
            if let Some((number, entry)) = candidate.and_then(|number| self.entries.get_key_value(&number)) {
                self.shares.insert(entry.priority, &entry.share, *number, entry.max_running);
            }
        }
        if lane.waiting.is_empty() && !lane.held {
            self.lanes.remove(session);
        }
    }
}

#[cfg(test)]
mod tests;

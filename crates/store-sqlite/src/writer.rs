//! The one connection that writes, and its thread. What gathered while the last transaction ran becomes the next one.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::Timestamp;
use store::{Core, Counts, Live, StoreError};

use crate::command::Command;
use crate::connection::release_memory;
use crate::fault::Fault;
use crate::inbox::{Group, Inbox, Next, Question};
use crate::readers::Readers;
use crate::seat::Seat;
use crate::tables::SqliteTables;
use crate::wal::WalCare;

/// After so long without work the pages that are kept in memory are given back: the kernel has them too.
const IDLE_AFTER: Duration = Duration::from_secs(1);

/// What the writer tells everybody after each commit.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) live: Live,
    counts: Mutex<Known>,
}

/// How much goes on, until a task becomes due.
#[derive(Debug, Clone, Copy)]
struct Known {
    counts: Counts,
    until: Option<Timestamp>,
}

impl Known {
    fn of(core: &Core<SqliteTables>) -> Self {
        Self { counts: core.counts(Timestamp::from_millis(i64::MIN)), until: core.next_due() }
    }
}

impl Published {
    pub(crate) fn new(core: &Core<SqliteTables>) -> Self {
        let live = Live::new(core.open_tasks(), core.position());
        Self { live, counts: Mutex::new(Known::of(core)) }
    }

    /// How much goes on at that time; `None` when a task has become due since the last commit.
    pub(crate) fn counts(&self, now: Timestamp) -> Option<Counts> {
        let known = *self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        known.until.is_none_or(|until| now < until).then_some(known.counts)
    }

    /// How many tasks wait, whatever for.
    pub(crate) fn waiting(&self) -> usize {
        let Counts { waiting, scheduled, parked, .. } =
            self.counts.lock().unwrap_or_else(PoisonError::into_inner).counts;
        waiting + scheduled + parked
    }

    fn set_counts(&self, core: &Core<SqliteTables>) {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner) = Known::of(core);
    }
}

/// A transaction that was not committed.
struct Failure {
    error: StoreError,
    /// Whether it is certain that nothing was kept.
    certain: bool,
}

impl Failure {
    fn before_commit(error: impl Into<StoreError>) -> Self {
        Self { error: error.into(), certain: true }
    }
}

pub(crate) struct Writer {
    core: Core<SqliteTables>,
    inbox: Arc<Inbox>,
    published: Arc<Published>,
    readers: Arc<Readers>,
    wal: WalCare,
    /// Whether the core has to be read anew before anything else.
    stale: bool,
    /// Whether there was something to do since it was asked to rest.
    worked: bool,
    /// Whether it rests.
    rests: bool,
    #[cfg(test)]
    pub(crate) failure: Arc<Mutex<Option<store::conformance::FailurePoint>>>,
}

/// The writer's thread: works until the inbox is closed and empty.
pub(crate) fn run(seat: &Seat, inbox: &Inbox) {
    let mut idle_after = Some(IDLE_AFTER);
    loop {
        match inbox.take(idle_after) {
            Next::Work(group) => {
                idle_after = Some(IDLE_AFTER);
                if seat.with(|writer| writer.work(group)).is_none() {
                    return;
                }
            }
            Next::Idle if seat.with(Writer::rest) == Some(true) => idle_after = None,
            Next::Idle => {}
            Next::Closed => break,
        }
    }
    if let Some(writer) = seat.end() {
        writer.end();
    }
}

impl Writer {
    pub(crate) fn new(
        core: Core<SqliteTables>,
        inbox: Arc<Inbox>,
        published: Arc<Published>,
        readers: Arc<Readers>,
        wal: WalCare,
    ) -> Self {
        Self {
            core,
            inbox,
            published,
            readers,
            wal,
            stale: false,
            worked: false,
            rests: false,
            #[cfg(test)]
            failure: Arc::default(),
        }
    }

    /// Does what has gathered.
    fn work(&mut self, group: Group) {
        self.worked = true;
        self.reply(group.questions);
        if !group.commands.is_empty() {
            self.carry_out(group.commands);
            self.wal.after_commit(self.core.tables().connection());
        }
    }

    /// Carries out a command on the thread of who asks. Gives it back when that might take long.
    pub(crate) fn work_here(&mut self, command: Box<dyn Command>) -> Option<Box<dyn Command>> {
        if self.stale || self.wal.takes_long() || self.core.tables().begin_at_once().is_err() {
            return Some(command);
        }
        self.worked = true;
        let mut group = [command];
        let result = self.transaction(&mut group);
        let [command] = group;
        match result {
            Ok(()) => {
                self.publish();
                command.answer();
            }
            Err(failure) => {
                self.stale = true;
                command.fail(failure.error);
            }
        }
        // When it says that the log is long, the next command finds that.
        self.wal.copy_if_due();
        if std::mem::take(&mut self.rests) || self.stale {
            // The thread is to see that there is something to read anew, or when there is nothing to do again. One that has
            // ended need not.
            self.inbox.ask(Box::new(|_| ())).ok();
        }
        None
    }

    /// What is known; `None` while it has to be read anew, which may take long.
    pub(crate) fn core_if_known(&self) -> Option<&Core<SqliteTables>> {
        (!self.stale).then_some(&self.core)
    }

    /// Gives memory back, unless there was something to do since the last call. Gives whether it did.
    fn rest(&mut self) -> bool {
        if std::mem::take(&mut self.worked) {
            return false;
        }
        release_memory(self.core.tables().connection());
        self.readers.release_memory();
        self.rests = true;
        true
    }

    fn end(mut self) {
        if !self.stale && self.core.tables().mark_clean().is_err() {
            // It is only slower to open then.
            self.stale = true;
        }
    }

    /// A question that cannot be answered truly is dropped, which its asker is told by.
    fn reply(&mut self, questions: impl IntoIterator<Item = Question>) {
        let known = self.refresh().is_ok();
        for question in questions {
            if known {
                question(&self.core);
            }
        }
    }

    fn carry_out(&mut self, mut group: Vec<Box<dyn Command>>) {
        let Err(failure) = self.attempt(&mut group) else {
            group.into_iter().for_each(Command::answer);
            return;
        };
        // One command may be what the storage chokes on; the others are not to fail with it. Repeating what may have been
        // kept would give wrong answers.
        let again = failure.certain && group.len() > 1;
        for command in group {
            let mut alone = [command];
            let result = if again {
                self.attempt(&mut alone).map_err(|f| f.error)
            } else {
                Err(failure.error.clone())
            };
            let [command] = alone;
            match result {
                Ok(()) => command.answer(),
                Err(error) => command.fail(error),
            }
        }
    }

    /// One transaction. After a failure everything is as the tables say.
    fn attempt(&mut self, group: &mut [Box<dyn Command>]) -> Result<(), Failure> {
        self.refresh().map_err(Failure::before_commit)?;
        let begun = self.core.tables().begin().map_err(Failure::before_commit);
        let result = begun.and_then(|()| self.transaction(group));
        if result.is_err() {
            self.stale = true;
            // When this fails, the next command tries it again.
            drop(self.refresh());
            return result;
        }
        self.publish();
        result
    }

    fn publish(&mut self) {
        self.published.live.publish(self.core.take_news());
        self.published.set_counts(&self.core);
    }

    /// Carries out what has to be committed in the transaction that was begun.
    fn transaction(&mut self, group: &mut [Box<dyn Command>]) -> Result<(), Failure> {
        for command in group {
            command.run(&mut self.core).map_err(Failure::before_commit)?;
        }
        self.commit().map_err(|fault| {
            // A transaction that SQLite has ended by itself may yet be found after a crash.
            let certain = !self.core.tables().connection().is_autocommit();
            Failure { error: fault.into(), certain }
        })
    }

    fn commit(&mut self) -> Result<(), Fault> {
        #[cfg(test)]
        self.fail_at(store::conformance::FailurePoint::BeforeCommit)?;
        self.core.tables().commit()?;
        #[cfg(test)]
        self.fail_at(store::conformance::FailurePoint::AfterCommit)?;
        Ok(())
    }

    /// Reads everything anew when the last transaction failed.
    fn refresh(&mut self) -> Result<(), StoreError> {
        if !self.stale {
            return Ok(());
        }
        self.core.tables().roll_back()?;
        self.core.reload()?;
        let position = self.core.tables().position()?;
        let open = self.core.open_tasks();
        let core = &mut self.core;
        self.published.live.resync(open, position, |task| Some(core.task(task).ok()??.tail));
        self.published.set_counts(&self.core);
        self.stale = false;
        Ok(())
    }

    #[cfg(test)]
    fn fail_at(&self, point: store::conformance::FailurePoint) -> Result<(), Fault> {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        if *failure != Some(point) {
            return Ok(());
        }
        *failure = None;
        Err(Fault::Content(format!("a test lets it fail {point:?}")))
    }
}

impl Drop for Writer {
    /// However the thread ends, nobody waits for it.
    fn drop(&mut self) {
        self.inbox.abandon();
    }
}

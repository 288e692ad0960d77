//! Tickets: what browsers, which cannot send headers with a WebSocket, show in place of a key. A ticket opens one stream, once,
//! and not for long.

pub(crate) mod shared;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use auth::Identity;
use domain::{TaskId, Timestamp};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// How long a ticket can be used.
const VALID_FOR: Duration = Duration::from_secs(60);
/// Most tickets that wait to be used; who comes then has to wait until some have expired.
const MOST: usize = 10_000;
/// Most of them that are one caller's: nobody takes them all.
const MOST_OF_ONE: usize = 1_000;

/// What a ticket opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Opens {
    /// The events of one task.
    Task(TaskId),
    /// The events of all tasks.
    Everything,
}

/// A new ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Issued {
    pub(crate) ticket: String,
    pub(crate) expires_at: Timestamp,
}

/// Whether a text may be a ticket.
fn is_well_formed(ticket: &str) -> bool {
    ticket.len() == 64 && ticket.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// A ticket that was not used yet.
#[derive(Debug)]
struct Ticket {
    opens: Opens,
    /// Who got it, and sees with it what it sees.
    holder: Identity,
    expires_at: Timestamp,
}

impl Ticket {
    fn fits(&self, wanted: &Opens, now: Timestamp) -> bool {
        self.opens == *wanted && self.expires_at > now
    }
}

/// The tickets that were not used yet, by their digests: whoever reads this memory gets none.
#[derive(Debug, Default)]
pub struct Tickets(Mutex<HashMap<[u8; 32], Ticket>>);

impl Tickets {
    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Ticket>> {
        // Nothing in here is ever half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a ticket for somebody; `None` when too many wait to be used.
    pub(crate) fn issue(&self, opens: Opens, holder: &Identity, now: Timestamp) -> Option<Issued> {
        let mut waiting = self.lock();
        if waiting.len() >= MOST_OF_ONE {
            waiting.retain(|_, ticket| ticket.expires_at > now);
        }
        let is_same = |ticket: &&Ticket| ticket.holder.name == holder.name;
        let is_greedy =
            waiting.len() >= MOST_OF_ONE && waiting.values().filter(is_same).count() >= MOST_OF_ONE;
        if waiting.len() >= MOST || is_greedy {
            return None;
        }
        // 244 random bits.
        let ticket = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let expires_at = now.after(VALID_FOR);
        let holder = holder.clone();
        waiting.insert(Sha256::digest(&ticket).into(), Ticket { opens, holder, expires_at });
        Some(Issued { ticket, expires_at })
    }

    /// Who got a ticket, if it opens that.
    pub(crate) fn holder(&self, ticket: &str, wanted: &Opens, now: Timestamp) -> Option<Identity> {
        let digest: [u8; 32] = Sha256::digest(ticket).into();
        let waiting = self.lock();
        let found = waiting.get(&digest).filter(|ticket| ticket.fits(wanted, now))?;
        Some(found.holder.clone())
    }

    /// Uses a ticket up, if it opens that; gives who got it.
    pub(crate) fn redeem(&self, ticket: &str, wanted: &Opens, now: Timestamp) -> Option<Identity> {
        let digest: [u8; 32] = Sha256::digest(ticket).into();
        let mut waiting = self.lock();
        waiting.get(&digest).filter(|ticket| ticket.fits(wanted, now))?;
        waiting.remove(&digest).map(|ticket| ticket.holder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn task(id: &str) -> Opens {
        Opens::Task(TaskId::parse(id).expect("valid"))
    }

    #[test]
    fn a_ticket_opens_its_own_stream_once_and_not_for_long() {
        let tickets = Tickets::default();
        let issued = tickets.issue(task("a"), &Identity::operator(), NOW).expect("a ticket");
        assert_eq!((issued.expires_at, is_well_formed(&issued.ticket)), (NOW.after(VALID_FOR), true));
        assert!(!is_well_formed("") && !is_well_formed(&issued.ticket.to_uppercase()));
        let holder = |opens: &Opens, now| tickets.holder(&issued.ticket, opens, now);
        assert_eq!(holder(&task("a"), NOW), Some(Identity::operator()));
        assert_eq!((holder(&task("b"), NOW), holder(&task("a"), issued.expires_at)), (None, None));
        let redeem = |opens: &Opens, now| tickets.redeem(&issued.ticket, opens, now).is_some();
        assert!(!redeem(&task("b"), NOW) && !redeem(&Opens::Everything, NOW), "it is for another stream");
        assert!(!redeem(&task("a"), issued.expires_at), "its time is up");
        assert!(redeem(&task("a"), NOW));
        assert!(!redeem(&task("a"), NOW), "it is used up");
        assert_eq!(tickets.redeem("", &task("a"), NOW), None);
    }

    #[test]
    fn there_are_never_too_many() {
        let tickets = Tickets::default();
        let caller = |number: usize| Identity { name: number.to_string().into(), ..Identity::operator() };
        for number in 0..MOST {
            assert!(tickets.issue(Opens::Everything, &caller(number / MOST_OF_ONE), NOW).is_some());
            let next = (number + 1) % MOST_OF_ONE == 0;
            assert!(!next || tickets.issue(Opens::Everything, &caller(number / MOST_OF_ONE), NOW).is_none());
        }
        assert_eq!(tickets.issue(Opens::Everything, &Identity::operator(), NOW), None);
        assert!(tickets.issue(Opens::Everything, &Identity::operator(), NOW.after(VALID_FOR)).is_some());
        assert_eq!(tickets.lock().len(), 1);
    }
}

//! The way of events from an agent to its owner, bounded in number and in bytes. What one read of the agent's output brings
//! goes as one.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::AgentEvent;

/// Events that may wait.
const MOST_EVENTS: u32 = 256;
/// Most that waiting events weigh together, in KiB. A heavier one waits alone.
const MOST_KIB: u32 = 32 * 1024;
/// A batch ends when it weighs this much, in KiB.
const BATCH_KIB: u32 = 4 * 1024;
/// Events that go as one: half of those that may wait, so that some are made while others are taken.
const GROUP_EVENTS: usize = 128;
/// A group goes when it weighs this much, in KiB.
const GROUP_KIB: u32 = 1024;

/// Events that go as one.
#[derive(Debug, Default)]
pub(crate) struct Group {
    events: Vec<AgentEvent>,
    kib: u32,
}

impl Group {
    /// Adds an event that came from so many bytes.
    pub(crate) fn push(&mut self, event: AgentEvent, bytes: usize) {
        let kib = u32::try_from(bytes / 1024 + 1).unwrap_or(MOST_KIB);
        self.kib = self.kib.saturating_add(kib);
        self.events.push(event);
    }

    /// Whether it is to go before more comes.
    pub(crate) fn is_full(&self) -> bool {
        self.events.len() >= GROUP_EVENTS || self.kib >= GROUP_KIB
    }

    /// Whether there is nothing to send.
    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }
}

/// A group on its way, with the places that it takes up.
struct Sent {
    group: Group,
    _places: [OwnedSemaphorePermit; 2],
}

/// Where an agent puts its events. While the owner takes none, sending waits.
#[derive(Debug, Clone)]
pub struct EventSender {
    // Bounded by the places.
    sender: mpsc::UnboundedSender<Sent>,
    numbers: Arc<Semaphore>,
    weights: Arc<Semaphore>,
}

/// Where an agent's owner takes its events. Ends after `Exited`.
pub struct Events {
    receiver: mpsc::UnboundedReceiver<Sent>,
    /// What was received and does not fit into the batch before.
    next: Option<Sent>,
}

/// A new way.
pub fn event_channel() -> (EventSender, Events) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let places = |most: u32| Arc::new(Semaphore::new(most as usize));
    let sender = EventSender { sender, numbers: places(MOST_EVENTS), weights: places(MOST_KIB) };
    (sender, Events { receiver, next: None })
}

impl EventSender {
    /// Sends an event that came from so many bytes. Gives false when nobody listens any more.
    pub async fn send(&self, event: AgentEvent, bytes: usize) -> bool {
        let mut group = Group::default();
        group.push(event, bytes);
        self.send_group(group).await
    }

    /// Sends events as one. Gives false when nobody listens any more.
    pub(crate) async fn send_group(&self, group: Group) -> bool {
        tokio::select! {
            biased;
            () = self.sender.closed() => false,
            places = self.places_for(&group) => {
                places.is_some_and(|places| self.sender.send(Sent { group, _places: places }).is_ok())
            }
        }
    }

    async fn places_for(&self, group: &Group) -> Option<[OwnedSemaphorePermit; 2]> {
        let number = u32::try_from(group.events.len()).unwrap_or(MOST_EVENTS).min(MOST_EVENTS);
        let number = Arc::clone(&self.numbers).acquire_many_owned(number).await.ok()?;
        let weight = Arc::clone(&self.weights).acquire_many_owned(group.kib.min(MOST_KIB)).await.ok()?;
        Some([number, weight])
    }
}

impl Events {
    /// Waits for events and takes what has gathered, at most so many; empty when there will be none. Cancel-safe.
    pub async fn batch(&mut self, most: usize) -> Vec<AgentEvent> {
        let first = match self.next.take() {
            Some(next) => next,
            None => match self.receiver.recv().await {
                Some(first) => first,
                None => return Vec::new(),
            },
        };
        let mut kib = first.group.kib;
        let mut events = self.take(first, most);
        while events.len() < most
            && kib < BATCH_KIB
            && let Ok(next) = self.receiver.try_recv()
        {
            kib += next.group.kib;
            events.append(&mut self.take(next, most - events.len()));
        }
        events
    }

    /// At most so many of a group; the rest comes next and keeps the places.
    fn take(&mut self, mut sent: Sent, most: usize) -> Vec<AgentEvent> {
        if sent.group.events.len() <= most {
            return sent.group.events;
        }
        let rest = sent.group.events.split_off(most);
        let events = std::mem::replace(&mut sent.group.events, rest);
        self.next = Some(sent);
        events
    }

    /// Whether there will be no more.
    pub fn is_ended(&self) -> bool {
        self.next.is_none() && self.receiver.is_closed() && self.receiver.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn light_events_come_in_batches_and_a_heavy_one_ends_its_batch() {
        let (sender, mut events) = event_channel();
        for bytes in [10, 10, 5 * 1024 * 1024, 10] {
            assert!(sender.send(AgentEvent::Busy, bytes).await);
        }
        assert_eq!(events.batch(2).await.len(), 2);
        assert_eq!(events.batch(100).await.len(), 1, "the heavy one");
        assert_eq!(events.batch(100).await.len(), 1);
        drop(sender);
        assert_eq!(events.batch(100).await.len(), 0);
        assert!(events.is_ended());
    }

    #[tokio::test]
    async fn a_group_that_does_not_fit_into_a_batch_goes_on_in_the_next_and_keeps_its_places() {
        let (sender, mut events) = event_channel();
        let group = |events: u32| {
            let mut group = Group::default();
            (0..events).for_each(|_| group.push(AgentEvent::Busy, 1));
            group
        };
        assert!(sender.send_group(group(200)).await);
        assert_eq!(events.batch(150).await.len(), 150);
        assert!(!events.is_ended());
        {
            let second = sender.send_group(group(100));
            tokio::pin!(second);
            tokio::select! {
                biased;
                _ = &mut second => unreachable!("there is no place"),
                () = std::future::ready(()) => {}
            }
            assert_eq!(events.batch(150).await.len(), 50);
            assert!(second.await);
        }
        drop(sender);
        assert_eq!(events.batch(150).await.len(), 100);
        assert!(events.is_ended());
    }

    #[tokio::test]
    async fn heavy_events_wait_until_there_is_a_place_and_one_that_is_too_heavy_goes_alone() {
        let (sender, mut events) = event_channel();
        assert!(sender.send(AgentEvent::Busy, 100 * 1024 * 1024).await);
        let second = sender.send(AgentEvent::Idle, 1);
        tokio::pin!(second);
        tokio::select! {
            biased;
            _ = &mut second => unreachable!("there is no place"),
            () = std::future::ready(()) => {}
        }
        assert_eq!(events.batch(100).await.len(), 1);
        assert!(second.await);
        assert_eq!(events.batch(100).await.len(), 1);
    }

    #[tokio::test]
    async fn a_sender_is_told_that_nobody_listens_even_while_it_waits() {
        let (sender, events) = event_channel();
        assert!(sender.send(AgentEvent::Busy, 100 * 1024 * 1024).await);
        let waiting = tokio::spawn(async move { sender.send(AgentEvent::Busy, 1).await });
        drop(events);
        assert!(!waiting.await.expect("no panic"));
    }
}

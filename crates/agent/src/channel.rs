//! The way of events from an agent to its owner, bounded in number and in bytes.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::AgentEvent;

/// Events that may wait.
const MOST_EVENTS: usize = 256;
/// Most that waiting events weigh together, in KiB. A heavier one waits alone.
const MOST_KIB: u32 = 32 * 1024;
/// A batch ends when it weighs this much, in KiB.
const BATCH_KIB: u32 = 4 * 1024;

struct Weighed {
    event: AgentEvent,
    kib: u32,
    _place: OwnedSemaphorePermit,
}

/// Where an agent puts its events. While the owner takes none, sending waits.
#[derive(Debug, Clone)]
pub struct EventSender {
    sender: mpsc::Sender<Weighed>,
    places: Arc<Semaphore>,
}

/// Where an agent's owner takes its events. Ends after `Exited`.
pub struct Events {
    receiver: mpsc::Receiver<Weighed>,
}

/// A new way.
pub fn event_channel() -> (EventSender, Events) {
    let (sender, receiver) = mpsc::channel(MOST_EVENTS);
    (EventSender { sender, places: Arc::new(Semaphore::new(MOST_KIB as usize)) }, Events { receiver })
}

impl EventSender {
    /// Sends an event that came from so many bytes. Gives false when nobody listens any more.
    pub async fn send(&self, event: AgentEvent, bytes: usize) -> bool {
        let kib = u32::try_from(bytes / 1024 + 1).unwrap_or(MOST_KIB).min(MOST_KIB);
        tokio::select! {
            biased;
            () = self.sender.closed() => false,
            place = Arc::clone(&self.places).acquire_many_owned(kib) => match place {
                Ok(place) => self.sender.send(Weighed { event, kib, _place: place }).await.is_ok(),
                Err(_) => false,
            },
        }
    }
}

impl Events {
    /// Waits for events and takes what has gathered, at most so many; empty when there will be none. Cancel-safe.
    pub async fn batch(&mut self, most: usize) -> Vec<AgentEvent> {
        let Some(first) = self.receiver.recv().await else { return Vec::new() };
        let mut kib = first.kib;
        let mut events = vec![first.event];
        while events.len() < most
            && kib < BATCH_KIB
            && let Ok(next) = self.receiver.try_recv()
        {
            kib += next.kib;
            events.push(next.event);
        }
        events
    }

    /// Whether there will be no more.
    pub fn is_ended(&self) -> bool {
        self.receiver.is_closed() && self.receiver.is_empty()
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

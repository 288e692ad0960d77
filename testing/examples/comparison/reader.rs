//! A reader of one task that is the same for both services.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::StreamExt;
use tokio_tungstenite::connect_async_with_config;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::service::Service;

/// Digits of the time at which the stub wrote an event, in nanoseconds since 1970.
const STAMP: usize = 19;
/// Both say what an event is, first of all.
const COMPLETE: &str = "{\"type\":\"complete\"";

/// What was read.
pub(crate) struct Read {
    pub(crate) events: u64,
    /// When the first event that an agent said came, and the last one.
    pub(crate) first: Instant,
    pub(crate) last: Instant,
    /// The last event.
    pub(crate) complete: String,
    /// From the agent's write to here, of events that say when they were written.
    pub(crate) took: Vec<Duration>,
}

/// When an event was written, if it says so.
fn written_at(event: &str) -> Option<u64> {
    let mut runs = event.split(|letter: char| !letter.is_ascii_digit());
    runs.find(|run| run.len() == STAMP)?.parse().ok()
}

fn since(written: u64) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_nanos();
    Duration::from_nanos(u64::try_from(now).expect("before 2554").saturating_sub(written))
}

/// Reads a task that was submitted to its end.
pub(crate) async fn read(service: &Service, task: &str, has_stamps: bool) -> Read {
    let url = format!("ws://{}/ws/tasks/{task}", service.address());
    let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
    let (mut socket, _) = connect_async_with_config(url, Some(config), false).await.expect("a WebSocket");
    let now = Instant::now();
    let mut read = Read { events: 0, first: now, last: now, complete: String::new(), took: Vec::new() };
    while let Some(message) = socket.next().await {
        let Message::Text(text) = message.expect("a message") else { continue };
        read.events += 1;
        if read.events == 1 {
            read.first = Instant::now();
        }
        if has_stamps {
            read.took.extend(written_at(&text).map(since));
        }
        if text.starts_with(COMPLETE) {
            read.last = Instant::now();
            text.as_str().clone_into(&mut read.complete);
        }
    }
    assert!(!read.complete.is_empty(), "{task} has not ended");
    read
}

//! Remembers the requests that came in.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use axum::http::HeaderMap;
use axum::http::request::Parts;
use tokio::sync::watch;

use crate::request::MessagesRequest;

/// How many requests are remembered.
const REMEMBERED: usize = 4096;
/// The most bytes of a prompt that are remembered.
const TEXT_BYTES: usize = 4096;

/// What came in with one request. Fields of a Messages body are empty for requests that have none.
#[derive(Debug, Clone)]
pub struct RecordedRequest {
    /// When its body had arrived.
    pub at: Instant,
    /// The same in milliseconds since the Unix epoch.
    pub at_unix_ms: u64,
    /// The HTTP method.
    pub method: String,
    /// The path without the query.
    pub path: String,
    /// `x-api-key`, else the bearer token.
    pub api_key: Option<String>,
    /// The model asked for.
    pub model: Option<String>,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// Characters of the system prompt.
    pub system_chars: usize,
    /// Names of the offered tools.
    pub tools: Vec<String>,
    /// Messages of the conversation.
    pub message_count: usize,
    /// The human's last prompt, cut at 4 KiB.
    pub last_user_text: String,
    /// The HTTP status; `None` until the response begins, and for a request that is never answered.
    pub status: Option<u16>,
}

impl RecordedRequest {
    /// Records the head of a request and, where there is one, its Messages body.
    pub(super) fn new(head: &Parts, messages: Option<&MessagesRequest>) -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            at: Instant::now(),
            at_unix_ms: u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX),
            method: head.method.to_string(),
            path: head.uri.path().to_owned(),
            api_key: api_key(&head.headers),
            model: messages.map(|request| request.model.clone()),
            stream: messages.is_some_and(|request| request.stream),
            system_chars: messages.map_or(0, |request| request.system.chars().count()),
            tools: messages.map(|request| request.tools.clone()).unwrap_or_default(),
            message_count: messages.map_or(0, |request| request.message_count),
            last_user_text: messages.map(|request| cut(&request.conversation.prompt)).unwrap_or_default(),
            status: None,
        }
    }
}

fn api_key(headers: &HeaderMap) -> Option<String> {
    let header = |name: &str| headers.get(name)?.to_str().ok();
    let bearer = || header("authorization")?.strip_prefix("Bearer ");
    header("x-api-key").or_else(bearer).map(str::to_owned)
}

fn cut(text: &str) -> String {
    text.get(..text.floor_char_boundary(TEXT_BYTES)).unwrap_or_default().to_owned()
}

/// The requests so far; the oldest are forgotten.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    log: Mutex<Log>,
    /// Wakes those who wait; the log has the facts.
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Log {
    requests: VecDeque<RecordedRequest>,
    forgotten: usize,
}

/// The place of a request in the log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry(usize);

impl Recorder {
    /// Adds a request.
    pub(super) fn add(&self, request: RecordedRequest) -> Entry {
        let entry = self.change(|log| {
            log.requests.push_back(request);
            if log.requests.len() > REMEMBERED && log.requests.pop_front().is_some() {
                log.forgotten += 1;
            }
            log.forgotten + log.requests.len() - 1
        });
        Entry(entry)
    }

    /// Notes how a request was answered.
    pub(super) fn answered(&self, Entry(entry): Entry, status: u16) {
        self.change(|log| {
            let place = entry.checked_sub(log.forgotten);
            if let Some(request) = place.and_then(|place| log.requests.get_mut(place)) {
                request.status = Some(status);
            }
        });
    }

    /// All remembered requests, oldest first.
    pub(super) fn all(&self) -> Vec<RecordedRequest> {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.requests.iter().cloned().collect()
    }

    /// The first remembered or coming request that satisfies the predicate.
    pub(super) async fn wait_for(&self, predicate: impl Fn(&RecordedRequest) -> bool) -> RecordedRequest {
        let mut changed = self.changed.subscribe();
        loop {
            changed.mark_unchanged();
            if let Some(found) = self.find(&predicate) {
                return found;
            }
            // The sender lives as long as `self`, so this only ends on a change.
            if changed.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    fn find(&self, predicate: impl Fn(&RecordedRequest) -> bool) -> Option<RecordedRequest> {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.requests.iter().find(|request| predicate(request)).cloned()
    }

    fn change<T>(&self, change: impl FnOnce(&mut Log) -> T) -> T {
        let result = change(&mut self.log.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.send_replace(());
        result
    }
}

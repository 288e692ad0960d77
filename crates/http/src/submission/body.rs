//! Reads a request's body, bounded: by itself, and together with all others that are under way.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use api::Code;
use axum::body::{Body, HttpBody};
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use bytes::BytesMut;
use futures_util::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::refusal::Refusal;
use crate::state::AppState;

/// Largest body of a submission, in bytes.
pub(crate) const MAX_BODY_BYTES: usize = 10 * 1024 * 1024;

/// What all bodies may take together, in bytes.
const ALL_BODIES_BYTES: usize = 64 * 1024 * 1024;
/// In which steps they take it.
const STEP_BYTES: usize = 1024;
/// A body up to this size is a small one.
const SMALL_BYTES: usize = 64 * 1024;
/// Which part of the room is for small ones only.
const SMALL_SHARE: usize = 8;
/// When it is worth trying again, in seconds.
const TRY_AGAIN: u64 = 5;

/// How long a body may take to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(30);

/// What is thrown away of a body that is not taken: a client that still sends when we close sees a broken connection instead of
/// our answer.
const MAX_DRAINED_BYTES: usize = 64 * 1024 * 1024;

/// How much memory the bodies of all requests may take together. A part of it is for small ones: large ones that arrive slowly do
/// not keep everybody else out.
#[derive(Debug)]
pub struct BodyBudget {
    room: Arc<Semaphore>,
    for_small: usize,
}

impl Default for BodyBudget {
    fn default() -> Self {
        Self::of(ALL_BODIES_BYTES)
    }
}

impl BodyBudget {
    /// Room for so many bytes.
    pub fn of(bytes: usize) -> Self {
        let steps = bytes / STEP_BYTES;
        Self { room: Arc::new(Semaphore::new(steps)), for_small: steps / SMALL_SHARE }
    }

    fn share(&self) -> Share {
        Share { room: Arc::clone(&self.room), for_small: self.for_small, held: None }
    }
}

/// What one body takes of the room, until this is dropped.
#[derive(Debug)]
struct Share {
    room: Arc<Semaphore>,
    for_small: usize,
    held: Option<OwnedSemaphorePermit>,
}

impl Share {
    /// Takes what a body of that size needs beside what it has; `None` when there is no room. It never waits for some: bodies that
    /// did so, each with a part of the room, would wait for each other.
    fn grow_to(&mut self, bytes: usize) -> Option<()> {
        let has = self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = bytes.div_ceil(STEP_BYTES).saturating_sub(has);
        if more == 0 {
            return Some(());
        }
        let left_alone = if bytes > SMALL_BYTES { self.for_small } else { 0 };
        if self.room.available_permits() < more + left_alone {
            return None;
        }
        let taken = Arc::clone(&self.room).try_acquire_many_owned(u32::try_from(more).ok()?).ok()?;
        match &mut self.held {
            Some(held) => held.merge(taken),
            none => *none = Some(taken),
        }
        Some(())
    }
}

/// A request's body. Its room is given back when it is dropped: once the request is answered.
#[derive(Debug)]
pub(crate) struct Received {
    bytes: BytesMut,
    share: Share,
}

impl Deref for Received {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Received {
    /// This and what came after it. What is not taken gives its memory and its room back at once.
    fn and(mut self, piece: &[u8]) -> Result<Self, Wrong> {
        let size = self.bytes.len() + piece.len();
        if size > MAX_BODY_BYTES {
            return Err(Wrong::TooLarge);
        }
        self.share.grow_to(size).ok_or(Wrong::NoRoom)?;
        self.bytes.extend_from_slice(piece);
        Ok(self)
    }
}

impl FromRequest<Arc<AppState>> for Received {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &Arc<AppState>) -> Result<Self, Refusal> {
        let nothing = Self { bytes: BytesMut::new(), share: state.bodies.share() };
        Ok(read(request.into_body(), nothing).await?)
    }
}

/// The whole body. What is wrong with it first is told, whatever becomes of the rest.
async fn read(body: Body, nothing: Received) -> Result<Received, Wrong> {
    if body.size_hint().lower() > MAX_DRAINED_BYTES as u64 {
        return Err(Wrong::TooLarge);
    }
    let (mut stream, until) = (body.into_data_stream(), Instant::now() + BODY_WITHIN);
    let (mut received, mut seen) = (Ok(nothing), 0);
    loop {
        let piece = match timeout_at(until, stream.next()).await {
            Ok(Some(Ok(piece))) => piece,
            Ok(Some(Err(_))) => return received.and(Err(Wrong::Broken)),
            Ok(None) => break,
            Err(_) => return received.and(Err(Wrong::Late)),
        };
        seen += piece.len();
        received = received.and_then(|received: Received| received.and(&piece));
        if seen > MAX_DRAINED_BYTES {
            break;
        }
    }
    received
}

/// Why a body is not taken.
enum Wrong {
    TooLarge,
    NoRoom,
    Broken,
    Late,
}

impl From<Wrong> for Refusal {
    fn from(wrong: Wrong) -> Self {
        match wrong {
            Wrong::TooLarge => {
                let detail = format!("a body has at most {MAX_BODY_BYTES} bytes");
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, Code::BodyTooLarge, detail)
            }
            Wrong::NoRoom => {
                let detail =
                    "the server has no room for this body: too many others are under way; try again later";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::ServerBusy, detail).retry_after(TRY_AGAIN)
            }
            Wrong::Broken => {
                let detail = "the body could not be read to its end";
                Self::new(StatusCode::BAD_REQUEST, Code::InvalidRequest, detail)
            }
            Wrong::Late => {
                let detail = format!("the body did not arrive within {} seconds", BODY_WITHIN.as_secs());
                Self::new(StatusCode::REQUEST_TIMEOUT, Code::InvalidRequest, detail)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_share_the_room_and_give_it_back() {
        let budget = BodyBudget::of(256 * STEP_BYTES);
        let (mut large, mut small) = (budget.share(), budget.share());
        assert_eq!(large.grow_to(200 * STEP_BYTES), Some(()));
        assert_eq!(large.grow_to(199 * STEP_BYTES + 1), Some(()), "it has that already");
        assert_eq!(budget.room.available_permits(), 56);
        assert_eq!(large.grow_to(225 * STEP_BYTES), None, "what is left is for small ones");
        assert_eq!(small.grow_to(1), Some(()));
        assert_eq!(small.grow_to(56 * STEP_BYTES), Some(()));
        assert_eq!((small.grow_to(57 * STEP_BYTES), budget.share().grow_to(1)), (None, None));
        drop((large, small));
        assert_eq!(budget.room.available_permits(), 256);
    }
}

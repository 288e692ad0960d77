//! The end of a child as an event of the runtime.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::Exit;
use crate::root::Root;

/// Wakes when the child has ended: its pidfd, registered with the runtime.
pub(crate) struct ExitEvent(AsyncFd<Watched>);

struct Watched(Arc<Root>);

impl AsRawFd for Watched {
    fn as_raw_fd(&self) -> RawFd {
        self.0.pidfd().as_raw_fd()
    }
}

impl ExitEvent {
    /// Must be called within a runtime with IO enabled.
    pub(crate) fn of(root: &Arc<Root>) -> io::Result<Self> {
        // SAFETY: the descriptor is owned by the `Root`, which never closes or replaces it while it lives, and the
        // registered object keeps the `Root` alive. Every call returns that same descriptor.
        #[expect(unsafe_code, reason = "tokio has no safe way to wait on a descriptor that is shared")]
        let registered =
            unsafe { AsyncFd::register_with_interest(Watched(Arc::clone(root)), Interest::READABLE) };
        Ok(Self(registered?))
    }

    /// Waits until the child has ended, without reaping it. Cancel-safe.
    pub(crate) async fn wait(&self) -> Exit {
        loop {
            let readiness = self.0.readable().await;
            if let Some(exit) = self.0.get_ref().0.peek() {
                return exit;
            }
            match readiness {
                Ok(mut guard) => guard.clear_ready(),
                // The runtime is shutting down; the caller will not be polled again.
                Err(_) => std::future::pending().await,
            }
        }
    }
}

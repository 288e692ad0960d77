//! Sockets that whoever started the server opened: systemd's, with LISTEN_FDS and LISTEN_PID.

use std::io::{Error, ErrorKind, Result};
use std::os::fd::AsFd;

use listenfd::ListenFd;
use rustix::io::{FdFlags, fcntl_setfd};
use tokio::net::{TcpListener, UnixListener};

use super::listeners::Listener;

/// Sockets that were handed over; there may be none.
pub(crate) struct Inherited(ListenFd);

impl Inherited {
    /// Takes them. It changes the environment, so there must be no other threads yet.
    pub(crate) fn take() -> Self {
        Self(ListenFd::from_env())
    }

    /// As what the server listens on.
    pub(super) fn into_listeners(mut self) -> Result<Vec<Listener>> {
        (0..self.0.len()).map(|place| self.listener(place)).collect()
    }

    fn listener(&mut self, place: usize) -> Result<Listener> {
        if let Ok(Some(listener)) = self.0.take_tcp_listener(place) {
            keep(&listener)?;
            listener.set_nonblocking(true)?;
            return Ok(Listener::Tcp(TcpListener::from_std(listener)?));
        }
        let listener = self.0.take_unix_listener(place)?;
        let listener = listener.ok_or_else(|| Error::from(ErrorKind::NotFound))?;
        keep(&listener)?;
        listener.set_nonblocking(true)?;
        // Its file is that of who made it.
        Ok(Listener::Unix(UnixListener::from_std(listener)?, None))
    }
}

/// Agents get none of them.
fn keep(listener: impl AsFd) -> Result<()> {
    Ok(fcntl_setfd(listener, FdFlags::CLOEXEC)?)
}

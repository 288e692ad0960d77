//! What the server listens on.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::inherited::Inherited;
use super::socket_file::{SocketFile, UnixSocket};
use crate::config::Config;

/// A socket that clients connect to.
pub(crate) enum Listener {
    Tcp(TcpListener),
    /// Its file lives as long as it does.
    Unix(UnixListener, Option<SocketFile>),
}

/// A client's connection.
pub(super) enum Accepted {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}

impl Accepted {
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(_, peer) => Some(*peer),
            Self::Unix(_) => None,
        }
    }
}

impl Listener {
    /// Cancel-safe.
    pub(super) async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Tcp(listener) => listener.accept().await.map(|(stream, peer)| Accepted::Tcp(stream, peer)),
            Self::Unix(listener, _) => listener.accept().await.map(|(stream, _)| Accepted::Unix(stream)),
        }
    }

    fn address(&self) -> io::Result<Option<SocketAddr>> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Some),
            Self::Unix(..) => Ok(None),
        }
    }

    /// Where it is, for people.
    pub(crate) fn url(&self, is_encrypted: bool) -> io::Result<String> {
        Ok(match self {
            Self::Tcp(listener) => {
                let scheme = if is_encrypted { "https" } else { "http" };
                format!("{scheme}://{}", listener.local_addr()?)
            }
            Self::Unix(_, Some(file)) => format!("unix:{}", file.path().display()),
            Self::Unix(listener, None) => {
                let address = listener.local_addr()?;
                format!("unix:{}", address.as_pathname().unwrap_or("?".as_ref()).display())
            }
        })
    }
}

/// Why nothing can be listened on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListenError {
    #[error("SERVER_PORT={}: {address} cannot be listened on: choose another port or stop what uses it", address.port())]
    Port { address: SocketAddr, source: io::Error },
    #[error("SERVER_UNIX_SOCKET={}: {wrong}", path.display())]
    Socket { path: Arc<std::path::Path>, wrong: String },
    #[error(
        "a socket that was handed over (LISTEN_FDS) cannot be used: hand over listening TCP or Unix sockets"
    )]
    Inherited(#[source] io::Error),
    #[error(
        "the socket that was handed over (LISTEN_FDS) opens the server to the network at {0} without authentication: set \
         API_AUTH_ENABLED=true and API_API_KEY, or SERVER_ALLOW_INSECURE=true if that is meant"
    )]
    Exposed(IpAddr),
}

/// All sockets that clients connect to.
pub(crate) struct Listeners(pub(crate) Vec<Listener>);

impl Listeners {
    /// Those that were handed over, if there are any; else those that the configuration asks for.
    ///
    /// # Errors
    /// When one cannot be had.
    pub(crate) async fn open(config: &Config, inherited: Inherited) -> Result<Self, ListenError> {
        let handed = inherited.into_listeners().map_err(ListenError::Inherited)?;
        if !handed.is_empty() {
            let listeners = Self(handed);
            return match listeners.exposed() {
                Some(address) if config.auth.is_none() && !config.transport.allow_insecure => {
                    Err(ListenError::Exposed(address))
                }
                _ => Ok(listeners),
            };
        }
        let mut listeners = Vec::new();
        if config.transport.tcp {
            let address = SocketAddr::new(config.host, config.port);
            let bound = TcpListener::bind(address).await;
            let bound = bound.map_err(|source| ListenError::Port { address, source })?;
            listeners.push(Listener::Tcp(bound));
        }
        if let Some(socket) = &config.transport.unix_socket {
            listeners.push(open_socket(socket)?);
        }
        Ok(Self(listeners))
    }

    /// An address at which other machines reach it.
    pub(crate) fn exposed(&self) -> Option<IpAddr> {
        let addresses = self.0.iter().filter_map(|listener| listener.address().ok().flatten());
        addresses.map(|address| address.ip()).find(|address| !address.is_loopback())
    }
}

fn open_socket(socket: &UnixSocket) -> Result<Listener, ListenError> {
    let wrong = |error: super::socket_file::SocketError| ListenError::Socket {
        path: Arc::from(socket.path.as_path()),
        wrong: error.to_string(),
    };
    let (listener, file) = socket.bind().map_err(wrong)?;
    let listener = UnixListener::from_std(listener).map_err(|error| wrong(error.into()))?;
    Ok(Listener::Unix(listener, Some(file)))
}

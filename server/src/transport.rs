//! How clients reach the API: sockets, TLS, connections and their limits. What HTTP itself says is the API's (ADR 12).

mod accept;
mod activity;
mod connection;
mod connections;
mod held;
mod inherited;
mod listeners;
mod socket_file;
mod tls;

pub(crate) use self::accept::Server;
pub(crate) use self::connections::{ConnectionLimits, Connections};
pub(crate) use self::inherited::Inherited;
pub(crate) use self::listeners::{Listener, Listeners};
pub(crate) use self::socket_file::{SocketError, UnixSocket};
pub(crate) use self::tls::{Tls, TlsFiles};

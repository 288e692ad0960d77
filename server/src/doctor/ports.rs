//! The ports and sockets.

use std::net::{SocketAddr, TcpListener};

use super::Check;
use crate::config::Config;
use crate::transport::{SocketError, UnixSocket};

enum Port {
    Free,
    /// Taken, and a server runs on the same data: most likely it is that one.
    OfRunningServer,
    Unusable(std::io::Error),
}

/// What a check says of a port that is free.
fn free(address: SocketAddr) -> String {
    if address.port() == 0 { "any free one will be taken".to_owned() } else { format!("{address} is free") }
}

fn look_at(address: SocketAddr, server_runs: bool) -> Port {
    match TcpListener::bind(address) {
        Ok(_) => Port::Free,
        Err(error) if server_runs && error.kind() == std::io::ErrorKind::AddrInUse => Port::OfRunningServer,
        Err(error) => Port::Unusable(error),
    }
}

/// Whatever the configuration asks to listen on.
pub(super) fn check_listeners(config: &Config, server_runs: bool) -> Vec<Check> {
    let port = config.transport.tcp.then(|| check_port(config, server_runs));
    let socket = config.transport.unix_socket.as_ref().map(|socket| check_socket(socket, server_runs));
    port.into_iter().chain(socket).collect()
}

fn check_socket(socket: &UnixSocket, server_runs: bool) -> Check {
    const NAME: &str = "unix socket";
    let path = socket.path.display();
    let folder = socket.path.parent().filter(|folder| !folder.as_os_str().is_empty());
    match socket.check_place() {
        Err(SocketError::InUse) if server_runs => {
            Check::ok(NAME, format!("{path} is used by the running server"))
        }
        Err(error) => Check::fail(NAME, format!("SERVER_UNIX_SOCKET={path}: {error}")),
        Ok(()) if folder.is_some_and(|folder| !folder.is_dir()) => {
            Check::fail(NAME, format!("SERVER_UNIX_SOCKET={path}: its folder is missing: make it"))
        }
        Ok(()) => Check::ok(NAME, format!("{path} is free")),
    }
}

fn check_port(config: &Config, server_runs: bool) -> Check {
    const NAME: &str = "port";
    let address = SocketAddr::new(config.host, config.port);
    match look_at(address, server_runs) {
        Port::Free => Check::ok(NAME, free(address)),
        Port::OfRunningServer => Check::ok(NAME, format!("{address} is used by the running server")),
        Port::Unusable(error) => Check::fail(
            NAME,
            format!(
                "{address} cannot be listened on ({error}): set SERVER_PORT to another, or stop what uses it"
            ),
        ),
    }
}

pub(super) fn check_metrics_port(config: &Config, server_runs: bool) -> Option<Check> {
    const NAME: &str = "metrics port";
    let monitoring = config.monitoring?;
    let address = SocketAddr::new(config.host, monitoring.port);
    Some(match look_at(address, server_runs) {
        Port::Free => Check::ok(NAME, free(address)),
        Port::OfRunningServer => Check::ok(NAME, format!("{address} is used by the running server")),
        Port::Unusable(error) => {
            let detail = format!(
                "{address} cannot be listened on ({error}): set MONITORING_PROMETHEUS_PORT to another, or \
                 MONITORING_PROMETHEUS_ENABLED=false"
            );
            if monitoring.is_wanted { Check::fail(NAME, detail) } else { Check::warn(NAME, detail) }
        }
    })
}

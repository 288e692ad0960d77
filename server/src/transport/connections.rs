//! How many connections there may be.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use http_api::{Loopback, TrustedProxies};
use rustix::process::{Resource, getrlimit};

/// What the server has open beside its clients' connections: the database, the agents' pipes, and their connections to the gateway.
const OTHER_FILES: u64 = 1152;
/// The network of an IPv6 address: whoever has one has all of it.
const NETWORK: u128 = !(u64::MAX as u128);

/// How many connections there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConnectionLimits {
    pub(crate) all: usize,
    pub(crate) per_address: usize,
    /// Whether the latter holds for this machine, too.
    pub(crate) loopback: Loopback,
}

impl ConnectionLimits {
    /// Within what the system lets the process open: without a file to open, agents and the database fail, too.
    pub(crate) fn within_open_files(self) -> Self {
        let Some(files) = getrlimit(Resource::Nofile).current else { return self };
        let room = files - OTHER_FILES.min(files / 2);
        let all = usize::try_from(room).unwrap_or(usize::MAX).min(self.all);
        if all < self.all {
            tracing::warn!(
                "SERVER_MAX_CONNECTIONS={} is more than {files} open files allow: {all} connections are taken; raise \
                 the limit of open files (LimitNOFILE=)",
                self.all
            );
        }
        Self { all, ..self }
    }
}

/// Why a connection is one too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    All,
    Address,
}

/// The connections that are open.
pub(crate) struct Connections {
    limits: ConnectionLimits,
    /// They connect for many.
    proxies: TrustedProxies,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

impl Connections {
    pub(crate) fn new(limits: ConnectionLimits, proxies: TrustedProxies) -> Arc<Self> {
        Arc::new(Self { limits, proxies, open: Mutex::default() })
    }

    /// Counts a connection; it ends when what is given here is dropped.
    ///
    /// # Errors
    /// When it is one too many.
    pub(super) fn admit(self: &Arc<Self>, peer: Option<IpAddr>) -> Result<Permit, Full> {
        let address = peer.map(|peer| peer.to_canonical()).filter(|peer| self.counts(*peer)).map(network);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.all >= self.limits.all {
            return Err(Full::All);
        }
        if let Some(address) = address {
            let of_address = open.by_address.entry(address).or_default();
            if *of_address >= self.limits.per_address {
                return Err(Full::Address);
            }
            *of_address += 1;
        }
        open.all += 1;
        drop(open);
        Ok(Permit { connections: Arc::clone(self), address })
    }

    fn counts(&self, peer: IpAddr) -> bool {
        let is_spared = self.limits.loopback == Loopback::Spared && peer.is_loopback();
        !is_spared && !self.proxies.has(peer)
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & NETWORK).into()),
    }
}

/// A connection that is counted.
pub(super) struct Permit {
    connections: Arc<Connections>,
    address: Option<IpAddr>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.connections.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.all = open.all.saturating_sub(1);
        if let Some(address) = self.address
            && let Some(of_address) = open.by_address.get_mut(&address)
        {
            *of_address = of_address.saturating_sub(1);
            if *of_address == 0 {
                open.by_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(loopback: Loopback) -> Arc<Connections> {
        let limits = ConnectionLimits { all: 3, per_address: 1, loopback };
        let networks = vec!["10.0.0.0/8".parse().expect("a network")];
        Connections::new(limits, TrustedProxies { networks, unix_socket: false })
    }

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().expect("an address"))
    }

    #[test]
    fn each_address_has_a_share_and_gives_it_back() {
        let connections = connections(Loopback::Limited);
        let admit = |peer: &str| connections.admit(address(peer));
        let first = admit("2001:db8::1").expect("room");
        assert_eq!(admit("2001:db8::2").err(), Some(Full::Address), "the same network");
        let second = admit("127.0.0.1").expect("room");
        assert_eq!(admit("::ffff:127.0.0.1").err(), Some(Full::Address));
        drop(first);
        let third = admit("2001:db8::2").expect("room again");
        let fourth = connections.admit(None).expect("a Unix socket has no address");
        assert_eq!(admit("192.0.2.1").err(), Some(Full::All));
        drop((second, third, fourth));
        assert!(connections.open.lock().expect("whole").by_address.is_empty());
    }

    #[test]
    fn this_machine_and_trusted_proxies_are_spared_of_the_share() {
        for peer in ["127.0.0.1", "10.1.2.3"] {
            let connections = connections(Loopback::Spared);
            let admitted: Vec<_> = (0..4).map(|_| connections.admit(address(peer))).collect();
            assert_eq!(admitted.iter().filter(|admitted| admitted.is_ok()).count(), 3, "{peer}");
        }
    }
}

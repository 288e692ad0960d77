//! Where Redis is, and who this server is among those that share it.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use domain::InstanceLabel;
use redis::ConnectionAddr;
use secrecy::{ExposeSecret, SecretString};
use store::CoreSettings;

use crate::open::OpenError;
use crate::route;

/// Who this server is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstanceSettings {
    /// A name that stays the same over restarts, so that a server takes over at once what it ran itself before a crash. No two
    /// running servers may have the same. A new one each time when it is left out.
    pub name: Option<String>,
    /// What tasks can ask for.
    pub labels: Vec<InstanceLabel>,
    /// Where the workspaces are that it can reach.
    pub workspace_roots: Vec<PathBuf>,
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Name or number.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl Address {
    /// What `host:port` says; `None` for anything else. An IPv6 number stands in brackets.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        (!host.is_empty()).then_some(())?;
        Some(Self { host: host.to_owned(), port: port.parse().ok()? })
    }
}

/// Files in PEM format that TLS goes by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Certificates {
    /// Who is believed about the server, instead of the system's authorities.
    pub authorities: Option<PathBuf>,
    /// The certificate and the key that this server shows.
    pub own: Option<(PathBuf, PathBuf)>,
}

/// How Redis is reached and used.
#[derive(Debug, Clone)]
pub struct RedisSettings {
    /// `redis://`, `rediss://` (TLS) or `redis+unix://`; instead of host, port, database, user, password and TLS.
    pub url: Option<SecretString>,
    /// Host.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Number of the database.
    pub db: u16,
    /// User, where Redis has more than one.
    pub username: Option<String>,
    /// Password.
    pub password: Option<SecretString>,
    /// Whether to use TLS, with the system's certificates unless others are named.
    pub tls: bool,
    /// What TLS goes by, beside the system's certificates.
    pub certificates: Certificates,
    /// Who knows where Redis is, as `host:port`: then neither host and port nor a URL say it.
    pub sentinels: Vec<Address>,
    /// What the sentinels call it.
    pub sentinel_master: String,
    /// User and password at the sentinels.
    pub sentinel_username: Option<String>,
    /// Its password.
    pub sentinel_password: Option<SecretString>,
    /// What all keys begin with. Its part in braces puts them into one slot of a cluster.
    pub prefix: String,
    /// How long a server may be silent before others take over what it runs.
    pub lease: Duration,
    /// How often it renews its lease.
    pub heartbeat: Duration,
    /// How long a command waits for Redis.
    pub timeout: Duration,
    /// Who this server is.
    pub instance: InstanceSettings,
    /// What holds for every task.
    pub core: CoreSettings,
}

impl Default for RedisSettings {
    fn default() -> Self {
        Self {
            url: None,
            host: "localhost".into(),
            port: 6379,
            db: 0,
            username: None,
            password: None,
            tls: false,
            certificates: Certificates::default(),
            sentinels: Vec::new(),
            sentinel_master: "mymaster".into(),
            sentinel_username: None,
            sentinel_password: None,
            prefix: "{ccs}:".into(),
            lease: Duration::from_secs(10),
            heartbeat: Duration::from_secs(2),
            timeout: Duration::from_secs(2),
            instance: InstanceSettings::default(),
            core: CoreSettings::default(),
        }
    }
}

/// Whether a name or number is that of this machine alone.
fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|number| number.is_loopback())
}

impl RedisSettings {
    pub(crate) fn speaks_tls(&self) -> bool {
        self.tls || self.url.as_ref().is_some_and(|url| url.expose_secret().starts_with("rediss:"))
    }

    /// Whether everybody who reaches Redis over its network gets in as this server does: it shows no password and no certificate, and
    /// Redis is on another machine.
    #[must_use]
    pub fn is_open_to_neighbours(&self) -> bool {
        if self.speaks_tls() && self.certificates.own.is_some() {
            return false;
        }
        if !self.sentinels.is_empty() {
            let elsewhere = self.sentinels.iter().any(|sentinel| !is_here(&sentinel.host));
            return self.password.is_none() && elsewhere;
        }
        let Ok(info) = route::connection(self) else { return false };
        let elsewhere = match info.addr() {
            ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => !is_here(host),
            _ => false,
        };
        info.redis_settings().password().is_none() && elsewhere
    }

    /// What does not fit together.
    pub(crate) fn check(&self) -> Result<(), OpenError> {
        let tag = self.prefix.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
        if tag.is_none_or(|(tag, _)| tag.is_empty()) {
            return Err(OpenError::Prefix(self.prefix.clone()));
        }
        // One heartbeat may be lost.
        if self.heartbeat.is_zero() || self.heartbeat * 2 >= self.lease {
            return Err(OpenError::Lease { lease: self.lease, heartbeat: self.heartbeat });
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        match &self.instance.name {
            Some(name) if name.is_empty() || name.len() > 128 || !name.chars().all(allowed) => {
                Err(OpenError::Name(name.clone()))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        let address = |host: &str, port| Some(Address { host: host.into(), port });
        assert_eq!(Address::parse("redis.internal:26379"), address("redis.internal", 26379));
        assert_eq!(Address::parse("[::1]:1"), address("::1", 1));
        for text in ["", "host", "host:", ":1", "host:port", "host:70000"] {
            assert_eq!(Address::parse(text), None, "{text}");
        }
    }

    #[test]
    fn neighbours_get_in_where_nothing_is_shown_and_redis_is_elsewhere() {
        let open = |url: &str| {
            RedisSettings { url: Some(url.into()), ..RedisSettings::default() }.is_open_to_neighbours()
        };
        let urls = [
            ("redis://redis:6379/0", true),
            ("rediss://10.0.0.7", true),
            ("redis://:secret@redis", false),
            ("redis://127.0.0.1", false),
            ("redis://[::1]:7000", false),
            ("redis://localhost", false),
            ("redis+unix:///run/redis.sock", false),
        ];
        assert_eq!(urls.map(|(url, _)| (url, open(url))), urls);
        let host = RedisSettings { host: "redis".into(), ..RedisSettings::default() };
        let own = Some((PathBuf::from("certificate"), PathBuf::from("key")));
        let shown = Certificates { own, ..Certificates::default() };
        let sentinels = vec![Address { host: "one".into(), port: 1 }];
        let all = [
            host.clone(),
            RedisSettings { password: Some("secret".into()), ..host.clone() },
            RedisSettings { certificates: shown.clone(), ..host.clone() },
            RedisSettings { tls: true, certificates: shown, ..host },
            RedisSettings { sentinels: sentinels.clone(), ..RedisSettings::default() },
            RedisSettings { sentinels, password: Some("secret".into()), ..RedisSettings::default() },
            RedisSettings::default(),
        ];
        let found = all.map(|settings| settings.is_open_to_neighbours());
        assert_eq!(found, [true, false, true, false, true, false, false]);
    }
}

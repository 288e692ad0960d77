//! Where Redis is, and who this server is among those that share it.

use std::path::PathBuf;
use std::time::Duration;

use domain::InstanceLabel;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};
use secrecy::{ExposeSecret, SecretString};
use store::CoreSettings;

use crate::open::OpenError;

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
    /// Whether to use TLS, with the system's certificates.
    pub tls: bool,
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
            prefix: "{ccs}:".into(),
            lease: Duration::from_secs(10),
            heartbeat: Duration::from_secs(2),
            timeout: Duration::from_secs(2),
            instance: InstanceSettings::default(),
            core: CoreSettings::default(),
        }
    }
}

impl RedisSettings {
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

    pub(crate) fn connection(&self) -> Result<ConnectionInfo, OpenError> {
        let address = match &self.url {
            // What the URL says may be secret, so the error does not repeat it.
            Some(url) => return url.expose_secret().into_connection_info().map_err(|_| OpenError::Url),
            None if self.tls => ConnectionAddr::TcpTls {
                host: self.host.clone(),
                port: self.port,
                insecure: false,
                tls_params: None,
            },
            None => ConnectionAddr::Tcp(self.host.clone(), self.port),
        };
        let mut settings = RedisConnectionInfo::default().set_db(self.db.into());
        if let Some(username) = &self.username {
            settings = settings.set_username(username);
        }
        if let Some(password) = &self.password {
            settings = settings.set_password(password.expose_secret());
        }
        let info = address.into_connection_info().map_err(|_| OpenError::Url)?;
        Ok(info.set_redis_settings(settings))
    }
}

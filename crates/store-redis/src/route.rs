//! Where Redis is: at a fixed address, or where the sentinels say.

use std::path::Path;

use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo,
    RedisError, TlsCertificates,
};
use secrecy::ExposeSecret;
use tokio::sync::Mutex;

use crate::open::OpenError;
use crate::settings::{Address, RedisSettings};

/// How the way to Redis is found.
pub(crate) enum Route {
    /// It does not move.
    Fixed(Box<Client>),
    /// It may be another machine after a failover.
    Sentinels(Box<Mutex<SentinelClient>>),
}

impl Route {
    pub(crate) fn new(settings: &RedisSettings) -> Result<Self, OpenError> {
        let certificates = certificates(settings)?;
        if !settings.sentinels.is_empty() {
            let client = sentinels(settings, certificates).map_err(|_| OpenError::Certificates)?;
            return Ok(Self::Sentinels(Box::new(Mutex::new(client))));
        }
        let info = connection(settings)?;
        let is_tls = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
        let client = match certificates {
            Some(certificates) if is_tls => {
                Client::build_with_tls(info, certificates).map_err(|_| OpenError::Certificates)?
            }
            _ => Client::open(info).map_err(|_| OpenError::Url)?,
        };
        Ok(Self::Fixed(Box::new(client)))
    }

    /// Where it is now.
    pub(crate) async fn find(&self) -> Result<Client, RedisError> {
        match self {
            Self::Fixed(client) => Ok(Client::clone(client)),
            Self::Sentinels(sentinels) => sentinels.lock().await.async_get_client().await,
        }
    }

    pub(crate) fn may_move(&self) -> bool {
        matches!(self, Self::Sentinels(_))
    }
}

fn certificates(settings: &RedisSettings) -> Result<Option<TlsCertificates>, OpenError> {
    let read = |path: &Path| {
        std::fs::read(path)
            .map_err(|error| OpenError::File { path: path.to_owned(), error: error.to_string() })
    };
    let files = &settings.certificates;
    let root_cert = files.authorities.as_deref().map(read).transpose()?;
    let own = files.own.as_ref().map(|(certificate, key)| {
        Ok::<_, OpenError>(ClientTlsConfig { client_cert: read(certificate)?, client_key: read(key)? })
    });
    let client_tls = own.transpose()?;
    let is_any = root_cert.is_some() || client_tls.is_some();
    Ok(is_any.then_some(TlsCertificates { client_tls, root_cert }))
}

fn sentinels(
    settings: &RedisSettings,
    certificates: Option<TlsCertificates>,
) -> Result<SentinelClient, RedisError> {
    let addresses = settings.sentinels.iter().map(|address| tcp(address.clone(), settings.tls));
    let master = SentinelServerType::Master;
    let mut builder = SentinelClientBuilder::new(addresses, &settings.sentinel_master, master)?
        .set_client_to_redis_db(settings.db.into());
    if settings.tls {
        builder = builder.set_client_to_redis_tls_mode(redis::TlsMode::Secure);
        if let Some(certificates) = certificates {
            builder = builder
                .set_client_to_redis_certificates(certificates.clone())
                .set_client_to_sentinel_certificates(certificates);
        }
    }
    if let Some(username) = &settings.username {
        builder = builder.set_client_to_redis_username(username);
    }
    if let Some(password) = &settings.password {
        builder = builder.set_client_to_redis_password(password.expose_secret());
    }
    if let Some(username) = &settings.sentinel_username {
        builder = builder.set_client_to_sentinel_username(username);
    }
    if let Some(password) = &settings.sentinel_password {
        builder = builder.set_client_to_sentinel_password(password.expose_secret());
    }
    builder.build()
}

fn tcp(Address { host, port }: Address, tls: bool) -> ConnectionAddr {
    if tls {
        ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
    } else {
        ConnectionAddr::Tcp(host, port)
    }
}

pub(crate) fn connection(settings: &RedisSettings) -> Result<ConnectionInfo, OpenError> {
    // What the URL says may be secret, so the error does not repeat it.
    if let Some(url) = &settings.url {
        return url.expose_secret().into_connection_info().map_err(|_| OpenError::Url);
    }
    let address = tcp(Address { host: settings.host.clone(), port: settings.port }, settings.tls);
    let mut access = RedisConnectionInfo::default().set_db(settings.db.into());
    if let Some(username) = &settings.username {
        access = access.set_username(username);
    }
    if let Some(password) = &settings.password {
        access = access.set_password(password.expose_secret());
    }
    let info = address.into_connection_info().map_err(|_| OpenError::Url)?;
    Ok(info.set_redis_settings(access))
}

//! How clients reach the server.

use std::net::IpAddr;
use std::path::PathBuf;

use http_api::{CorsOrigins, Loopback, TrustedProxies};
use ipnet::IpNet;

use super::texts::web_origin;
use super::variables::{self, Reader};
use crate::transport::{ConnectionLimits, TlsFiles, UnixSocket};

/// The word in the list of proxies that stands for whoever connects to the Unix socket.
const UNIX: &str = "unix";

/// How clients reach the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Transport {
    /// Whether the server listens at its host and port.
    pub(crate) tcp: bool,
    pub(crate) unix_socket: Option<UnixSocket>,
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) limits: ConnectionLimits,
    pub(crate) proxies: TrustedProxies,
    pub(crate) cors: CorsOrigins,
    /// Whether strangers may call without saying who they are.
    pub(crate) allow_insecure: bool,
}

impl Transport {
    pub(super) fn read(read: &mut Reader<'_>) -> Self {
        let unix_socket = read_unix_socket(read);
        // A port that nobody asked for is none when there is another way in.
        let tcp = unix_socket.is_none() || read.text("SERVER_PORT").is_some();
        Self {
            tcp,
            unix_socket,
            tls: read_tls(read),
            limits: read_limits(read),
            proxies: read.value("SERVER_TRUSTED_PROXIES", TrustedProxies::default(), proxies),
            cors: read.value("API_CORS_ORIGINS", CorsOrigins::Own, origins),
            allow_insecure: read.flag("SERVER_ALLOW_INSECURE", false),
        }
    }

    /// What cannot be had together.
    pub(super) fn check(&self, read: &mut Reader<'_>, has_auth: bool) {
        if self.cors == CorsOrigins::Any && !has_auth {
            let wrong = "lets every web page use this server without authentication: name the origins, or set \
                         API_AUTH_ENABLED=true";
            read.refuse("API_CORS_ORIGINS", wrong);
        }
    }
}

fn read_unix_socket(read: &mut Reader<'_>) -> Option<UnixSocket> {
    let mode = read.value("SERVER_UNIX_SOCKET_MODE", 0o660, |text| {
        u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777)
    });
    let path = read.text("SERVER_UNIX_SOCKET").map(PathBuf::from)?;
    Some(UnixSocket { path, mode })
}

fn read_tls(read: &mut Reader<'_>) -> Option<TlsFiles> {
    const CERTIFICATE: &str = "SERVER_TLS_CERT_FILE";
    const KEY: &str = "SERVER_TLS_KEY_FILE";
    let (certificate, key) = match (read.text(CERTIFICATE), read.text(KEY)) {
        (None, None) => return None,
        (Some(certificate), Some(key)) => (certificate, key),
        (Some(_), None) => {
            read.refuse(CERTIFICATE, "needs SERVER_TLS_KEY_FILE, the certificate's private key");
            return None;
        }
        (None, Some(_)) => {
            read.refuse(KEY, "needs SERVER_TLS_CERT_FILE, the key's certificate");
            return None;
        }
    };
    let files = TlsFiles { certificate: certificate.into(), key: key.into() };
    for error in files.faults() {
        read.refuse(error.variable(), &error.to_string());
    }
    Some(files)
}

fn read_limits(read: &mut Reader<'_>) -> ConnectionLimits {
    const PER_ADDRESS: &str = "SERVER_MAX_CONNECTIONS_PER_ADDRESS";
    let is_asked_for = read.text(PER_ADDRESS).is_some();
    ConnectionLimits {
        all: read.count("SERVER_MAX_CONNECTIONS", 4096),
        per_address: read.count(PER_ADDRESS, 1024),
        loopback: if is_asked_for { Loopback::Limited } else { Loopback::Spared },
    }
}

fn proxies(text: &str) -> Option<TrustedProxies> {
    let mut proxies = TrustedProxies::default();
    for one in variables::list(text)? {
        if one == UNIX {
            proxies.unix_socket = true;
        } else {
            let network = one.parse::<IpNet>().ok().or_else(|| one.parse::<IpAddr>().ok().map(IpNet::from));
            proxies.networks.push(network?);
        }
    }
    Some(proxies)
}

fn origins(text: &str) -> Option<CorsOrigins> {
    let origins = variables::list(text)?;
    if origins.iter().any(|origin| origin == "*") {
        return Some(CorsOrigins::Any);
    }
    let origins = origins.iter().map(|origin| web_origin(origin).map(|origin| origin.to_ascii_lowercase()));
    origins.collect::<Option<_>>().map(CorsOrigins::Also)
}

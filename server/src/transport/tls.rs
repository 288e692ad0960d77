//! TLS by files, which are looked at again while the server runs: certificates are renewed every few weeks.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::task::spawn_blocking;
use tokio::time::interval;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Why a certificate and its key cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// The file of the certificate.
    #[error("cannot be used ({0}): it has to hold the certificate and those that vouch for it, as PEM")]
    Certificate(PemError),
    /// The file has no certificate.
    #[error("holds no certificate: it has to hold the certificate and those that vouch for it, as PEM")]
    NoCertificate,
    /// The file of the key.
    #[error("cannot be used ({0}): it has to hold the certificate's private key, as PEM without a password")]
    Key(PemError),
    /// Both can be read.
    #[error(
        "does not go with the key in SERVER_TLS_KEY_FILE ({0}): give the two files that were made together"
    )]
    Pair(rustls::Error),
}

impl TlsError {
    /// The variable that names the file with the fault.
    pub(crate) fn variable(&self) -> &'static str {
        match self {
            Self::Certificate(_) | Self::NoCertificate | Self::Pair(_) => "SERVER_TLS_CERT_FILE",
            Self::Key(_) => "SERVER_TLS_KEY_FILE",
        }
    }
}

/// Where the certificate and its key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// What changes when a file is written or replaced.
type Stamp = Option<(u64, u64, i64, i64)>;

fn stamp(path: &Path) -> Stamp {
    let file = std::fs::metadata(path).ok()?;
    Some((file.ino(), file.len(), file.mtime(), file.mtime_nsec()))
}

impl TlsFiles {
    /// Reads them.
    ///
    /// # Errors
    /// When they are no certificate and its key.
    pub(crate) fn load(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let (chain, key) = (self.chain()?, self.key()?);
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key));
        let mut config = config.map_err(TlsError::Pair)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// All that is wrong with them.
    pub(crate) fn faults(&self) -> Vec<TlsError> {
        match (self.chain(), self.key()) {
            (Ok(_), Ok(_)) => self.load().err().into_iter().collect(),
            (chain, key) => chain.err().into_iter().chain(key.err()).collect(),
        }
    }

    fn chain(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let chain = CertificateDer::pem_file_iter(&self.certificate).map_err(TlsError::Certificate)?;
        let chain: Vec<_> = chain.collect::<Result<_, _>>().map_err(TlsError::Certificate)?;
        if chain.is_empty() { Err(TlsError::NoCertificate) } else { Ok(chain) }
    }

    fn key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        PrivateKeyDer::from_pem_file(&self.key).map_err(TlsError::Key)
    }

    fn stamps(&self) -> [Stamp; 2] {
        [stamp(&self.certificate), stamp(&self.key)]
    }
}

/// The certificate and key in use.
pub(crate) struct Tls {
    files: TlsFiles,
    seen: Mutex<[Stamp; 2]>,
    config: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// When they cannot be used.
    pub(crate) fn open(files: TlsFiles) -> Result<Self, TlsError> {
        let seen = Mutex::new(files.stamps());
        let config = RwLock::new(files.load()?);
        Ok(Self { files, seen, config })
    }

    /// Takes up a connection with what is in use now.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Looks at the files until `closed`.
    pub(crate) async fn keep_fresh(self: Arc<Self>, closed: CancellationToken) {
        let mut ticks = interval(LOOK_EVERY);
        while closed.run_until_cancelled(ticks.tick()).await.is_some() {
            let tls = Arc::clone(&self);
            // A folder may be on another machine.
            if spawn_blocking(move || tls.take_changes()).await.is_err() {
                tracing::error!("the files of the TLS certificate could not be looked at");
            }
        }
    }

    fn take_changes(&self) {
        let now = self.files.stamps();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = *seen != now;
        *seen = now;
        drop(seen);
        if is_new {
            self.reload();
        }
    }

    /// Reads the files again. Connections that are open keep what they have; a pair that cannot be used changes nothing.
    pub(crate) fn reload(&self) {
        match self.files.load() {
            Ok(config) => {
                *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
                tracing::info!("the TLS certificate was read again");
            }
            Err(error) => {
                let variable = error.variable();
                tracing::error!("the TLS certificate stays as it was: the file of {variable} {error}");
            }
        }
    }
}

//! Why the store does not open.

use std::path::PathBuf;
use std::time::Duration;

use store::StoreError;

/// Why the store does not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The URL says nothing that is understood.
    #[error(
        "the redis URL is not understood: it is redis://, rediss:// (TLS) or redis+unix://, with user and password before the host"
    )]
    Url,
    /// A file of certificates cannot be read.
    #[error("{} cannot be read: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: String,
    },
    /// A file of certificates says nothing that is understood.
    #[error(
        "the files of certificates for redis are not understood: they hold PEM, and a key belongs to its certificate"
    )]
    Certificates,
    /// The prefix has no part in braces.
    #[error("the prefix {0:?} of the redis keys has no part in braces, such as {{ccs}}: add one")]
    Prefix(String),
    /// The heartbeat is too slow for the lease.
    #[error(
        "a lease of {lease:?} needs more than two heartbeats, and there is one each {heartbeat:?}: make the lease longer"
    )]
    Lease {
        /// The lease.
        lease: Duration,
        /// The time between two heartbeats.
        heartbeat: Duration,
    },
    /// The name does not fit.
    #[error("the instance name {0:?} is not 1 to 128 letters, digits and . _ -: choose another")]
    Name(String),
    /// Redis does not answer, or not as it should.
    #[error(transparent)]
    Unavailable(#[from] StoreError),
    /// Another version of this program has written what is there.
    #[error(
        "the keys {prefix} hold version {found} of the store, and this program writes version {ours}: use another prefix, or the program that wrote them"
    )]
    Version {
        /// The prefix.
        prefix: String,
        /// What was found.
        found: String,
        /// What is written.
        ours: &'static str,
    },
}

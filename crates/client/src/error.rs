//! Why something could not be had from the server.

use std::error::Error;
use std::time::Duration;

use serde::Deserialize;

/// Why something could not be had from the server. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Not an address.
    #[error("{server:?} is no server's address ({reason}): give one such as http://127.0.0.1:8000")]
    Address {
        /// What was given.
        server: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An address with a user or a password in it, which it does not repeat.
    #[error("the server's address must not hold a user or password: give the API key as such")]
    Secret,
    /// Not a key.
    #[error("the API key holds characters that no key has: set it again")]
    ApiKey,
    /// Nobody is there, and nobody was before.
    #[error("no server answers at {server}: start one, or give another's address")]
    Unreachable {
        /// Its address.
        server: String,
        /// What happened instead.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Somebody is there, and says nothing.
    #[error("the server at {server} gave no answer within {} s: look whether it hangs (its log, /health), or give another's address", .within.as_secs())]
    Silent {
        /// Its address.
        server: String,
        /// How long it had.
        within: Duration,
    },
    /// The server was there, and is no more.
    #[error("the server at {server} was not to be had for {} s ({last}): what it has admitted is not lost, look again later", .lasted.as_secs())]
    Lost {
        /// Its address.
        server: String,
        /// For how long it was tried.
        lasted: Duration,
        /// What happened last.
        last: String,
    },
    /// The server said no.
    #[error("{detail} ({status} {code})")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What happened, for machines.
        code: String,
        /// What happened and what to do, for people.
        detail: String,
    },
    /// The answer is not what such a server answers.
    #[error("the answer of {server} cannot be read: is a Claude Code Server of this version there?")]
    Malformed {
        /// Its address.
        server: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The machine refuses.
    #[error("no HTTP client can be made: {0}")]
    Setup(#[source] reqwest::Error),
}

/// What is read of a problem's body. A newer server may have codes that this client does not know.
#[derive(Deserialize)]
struct ProblemBody {
    code: String,
    detail: String,
}

impl ClientError {
    /// What a refusal's body says.
    pub(crate) fn refused(status: u16, body: &[u8]) -> Self {
        match serde_json::from_slice(body) {
            Ok(ProblemBody { code, detail }) => Self::Refused { status, code, detail },
            Err(_) => {
                let detail = if matches!(status, 300..=399) {
                    "the server sends on to another address: give that one"
                } else {
                    "the server refused without saying why: is a Claude Code Server there?"
                };
                Self::Refused { status, code: "no_problem_body".to_owned(), detail: detail.to_owned() }
            }
        }
    }

    /// What is at the bottom of it, in words.
    pub(crate) fn cause(&self) -> String {
        let mut cause: &dyn Error = self;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        cause.to_string()
    }

    /// Whether what was asked for may have been done all the same.
    #[must_use]
    pub fn leaves_open(&self) -> bool {
        match self {
            Self::Lost { .. } | Self::Silent { .. } | Self::Malformed { .. } => true,
            Self::Refused { status, .. } => matches!(status, 502 | 504),
            Self::Address { .. }
            | Self::Secret
            | Self::ApiKey
            | Self::Unreachable { .. }
            | Self::Setup(_) => false,
        }
    }

    /// The problem's code, when the server refused.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            _ => None,
        }
    }
}

//! The labels.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};

/// A request that was answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Request {
    /// The method; `OTHER` for those that nobody has heard of.
    pub method: &'static str,
    /// The route's template, never a raw path.
    pub endpoint: String,
    /// The status of the answer.
    pub status: u16,
}

/// How a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Ended {
    /// `completed`, `failed` or `interrupted`.
    pub status: &'static str,
}

/// Why tasks are refused that would be admitted another time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Refused {
    /// As many wait as may.
    #[expect(non_camel_case_types, reason = "the value on the wire")]
    queue_full,
    /// The server is about to stop.
    #[expect(non_camel_case_types, reason = "the value on the wire")]
    shutting_down,
    /// The storage failed.
    #[expect(non_camel_case_types, reason = "the value on the wire")]
    storage,
}

impl Refused {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::queue_full, Self::shutting_down, Self::storage];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct RefusedFor {
    pub(crate) reason: Refused,
}

/// Which way tokens went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Direction {
    /// To the model.
    #[expect(non_camel_case_types, reason = "the value on the wire")]
    input,
    /// From it.
    #[expect(non_camel_case_types, reason = "the value on the wire")]
    output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Tokens {
    pub(crate) r#type: Direction,
}

/// How a request of an agent to the model API, passed on by the gateway, came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ModelAnswer {
    /// The API took it.
    Ok,
    /// It wants to be left alone for a while: 429 or 529.
    Limited,
    /// It does not accept the credential: 401 or 403.
    Refused,
    /// Any other 4xx: the request was wrong.
    Rejected,
    /// It failed: another 5xx.
    Failed,
    /// It was not reached.
    Unreached,
}

impl ModelAnswer {
    /// All of them.
    pub(crate) const ALL: [Self; 6] =
        [Self::Ok, Self::Limited, Self::Refused, Self::Rejected, Self::Failed, Self::Unreached];

    /// By the answer's status.
    #[must_use]
    pub fn of(status: u16) -> Self {
        match status {
            429 | 529 => Self::Limited,
            401 | 403 => Self::Refused,
            400..=499 => Self::Rejected,
            500.. => Self::Failed,
            _ => Self::Ok,
        }
    }

    pub(crate) fn label(self) -> Model {
        let outcome = match self {
            Self::Ok => "ok",
            Self::Limited => "limited",
            Self::Refused => "refused",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::Unreached => "unreached",
        };
        Model { outcome }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Model {
    pub(crate) outcome: &'static str,
}

/// Where open tasks are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct State {
    /// `waiting`, `running` or `parked`.
    pub state: &'static str,
}

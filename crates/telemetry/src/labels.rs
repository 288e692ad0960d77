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

/// Where open tasks are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct State {
    /// `waiting`, `running` or `parked`.
    pub state: &'static str,
}

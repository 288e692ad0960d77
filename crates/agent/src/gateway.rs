//! Where agents reach the model API, when that is not the API itself.

use domain::Timestamp;
use secrecy::SecretString;

/// Stands between agents and the model API.
pub trait ModelGateway: Send + Sync {
    /// A way to the API for one agent.
    fn open(&self) -> Box<dyn ModelEndpoint>;
}

/// One agent's way to the model API. Dropping it closes it.
pub trait ModelEndpoint: Send + Sync {
    /// Where the agent sends its requests.
    fn base_url(&self) -> String;

    /// What the agent shows there instead of the credential, which it never sees.
    fn api_key(&self) -> SecretString;

    /// Until when the API refuses requests, if it said so.
    fn limited_until(&self) -> Option<Timestamp>;
}

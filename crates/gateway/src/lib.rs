//! A loopback reverse proxy between agents and the model API. Agents never hold the real key: each is given an
//! [`Endpoint`] with a key of its own that is worth nothing elsewhere. And what the CLI does not pass on is seen here:
//! until when the API wants to be left alone.
//!
//! Bodies pass through as they come, in both directions and without being decoded. When the API cannot be reached, the
//! agent's connection is dropped, so that it sees what it would have seen without the proxy; when the agent goes away,
//! so does its request to the API.

mod endpoint;
mod forward;
mod gateway;
mod headers;
mod limits;
mod server;

pub use endpoint::Endpoint;
pub use gateway::{Gateway, StartError, Upstream, UpstreamCredential};

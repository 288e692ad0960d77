//! One agent's way to the model API.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use uuid::Uuid;

/// What the proxy knows about an endpoint.
#[derive(Debug)]
pub(crate) struct State {
    key: SecretString,
    limited_until: Mutex<Option<Timestamp>>,
}

impl State {
    /// Whether a request brought the endpoint's key. How long the comparison takes tells nothing about the key.
    pub(crate) fn knows(&self, key: &[u8]) -> bool {
        self.key.expose_secret().as_bytes().ct_eq(key).into()
    }

    /// Remembers until when the API wants to be left alone; `None` when it answers again.
    pub(crate) fn limit(&self, until: Option<Timestamp>) {
        *lock(&self.limited_until) = until;
    }
}

/// The open endpoints by their tokens.
#[derive(Debug, Clone, Default)]
pub(crate) struct Registry(Arc<Mutex<HashMap<String, Arc<State>>>>);

impl Registry {
    /// Opens one.
    pub(crate) fn open(&self, address: SocketAddr) -> Endpoint {
        let token = Uuid::new_v4().simple().to_string();
        let key = format!("placeholder-{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let state = Arc::new(State { key: key.into(), limited_until: Mutex::new(None) });
        lock(&self.0).insert(token.clone(), Arc::clone(&state));
        Endpoint { address, token, state, registry: self.clone() }
    }

    /// The open endpoint with that token.
    pub(crate) fn find(&self, token: &str) -> Option<Arc<State>> {
        lock(&self.0).get(token).cloned()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One agent's way to the model API. Dropping it closes it: its paths are no longer found.
#[derive(Debug)]
pub struct Endpoint {
    address: SocketAddr,
    token: String,
    state: Arc<State>,
    registry: Registry,
}

impl Endpoint {
    /// What the agent takes for the model API's address (`ANTHROPIC_BASE_URL`).
    pub fn base_url(&self) -> String {
        format!("http://{}/a/{}", self.address, self.token)
    }

    /// What the agent takes for its key (`ANTHROPIC_API_KEY` or `ANTHROPIC_AUTH_TOKEN`). It opens nothing but this endpoint.
    pub fn api_key(&self) -> SecretString {
        self.state.key.clone()
    }

    /// Until when the API wants to be left alone, as its last refusal of this agent said that named a time. `None` again
    /// once it has answered a later request.
    pub fn limited_until(&self) -> Option<Timestamp> {
        *lock(&self.state.limited_until)
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        lock(&self.registry.0).remove(&self.token);
    }
}

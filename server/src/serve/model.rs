//! How agents reach the model.

use std::path::PathBuf;
use std::sync::Arc;

use agent::claude::{Credential, Environment};
use agent::{ModelEndpoint, ModelGateway};
use anyhow::Context;
use domain::Timestamp;
use gateway::{Endpoint, Gateway, Upstream, UpstreamCredential};
use scripted_model::{Options, ScriptedModel};
use secrecy::SecretString;
use telemetry::Metrics;

use crate::config::{Config, GatewayUse};

/// Where the API is when nothing else is said.
const FIRST_PARTY: &str = "https://api.anthropic.com";
/// What agents may open to the gateway: an agent and its sub-agents ask at the same time.
const CONNECTIONS_OF_AN_AGENT: usize = 8;
const LEAST_CONNECTIONS: usize = 512;

/// The agents' way to the model.
pub(super) struct Model {
    pub(super) environment: Environment,
    pub(super) gateway: Option<Arc<Gateway>>,
    /// In demo mode.
    pub(super) scripted: Option<ScriptedModel>,
}

impl Model {
    /// Finds it, and starts what stands on it. `agents` is the folder of all agents' folders.
    pub(super) async fn start(
        config: &Config,
        agents: PathBuf,
        metrics: Arc<Metrics>,
    ) -> anyhow::Result<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let (credential, base_url, scripted) = match config.credential.clone() {
            Some(credential) => (credential, config.base_url.clone(), None),
            None => {
                let model = ScriptedModel::start(Options::default()).await;
                let model = model.context("the scripted model cannot be started")?;
                (Credential::ApiKey(SecretString::from("demo")), Some(model.base_url()), Some(model))
            }
        };
        let environment = Environment { credential, base_url, agents, path };
        let gateway = start_gateway(config, &environment, metrics)?;
        Ok(Self { environment, gateway, scripted })
    }
}

fn start_gateway(
    config: &Config,
    environment: &Environment,
    metrics: Arc<Metrics>,
) -> anyhow::Result<Option<Arc<Gateway>>> {
    let credential = match &environment.credential {
        Credential::ApiKey(key) => UpstreamCredential::ApiKey(key.clone()),
        Credential::AuthToken(token) => UpstreamCredential::AuthToken(token.clone()),
        // The CLI has a way of its own to the API with it, and tells itself when it is limited.
        Credential::OauthToken(_) => return Ok(None),
    };
    let base_url = match (config.gateway, &environment.base_url) {
        (GatewayUse::Off, _) | (GatewayUse::Auto, None) => return Ok(None),
        (_, Some(base_url)) => base_url.clone(),
        (GatewayUse::On, None) => FIRST_PARTY.to_owned(),
    };
    let most_connections = LEAST_CONNECTIONS.max(config.max_agents.saturating_mul(CONNECTIONS_OF_AN_AGENT));
    let gateway = Gateway::start(Upstream { base_url, credential, most_connections }, metrics);
    Ok(Some(Arc::new(gateway.context("the gateway to the model API cannot be started")?)))
}

/// The gateway as the agents' launcher knows it.
pub(super) struct Opened(pub(super) Arc<Gateway>);

struct Open(Endpoint);

impl ModelGateway for Opened {
    fn open(&self) -> Box<dyn ModelEndpoint> {
        Box::new(Open(self.0.open()))
    }
}

impl ModelEndpoint for Open {
    fn base_url(&self) -> String {
        self.0.base_url()
    }

    fn api_key(&self) -> SecretString {
        self.0.api_key()
    }

    fn limited_until(&self) -> Option<Timestamp> {
        self.0.limited_until()
    }
}

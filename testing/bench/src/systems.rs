//! What is measured: services that take tasks over HTTP.

mod python_service;
mod running;
mod server;
mod stock;

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use async_trait::async_trait;

use python_service::PythonService;
pub(crate) use running::{Parts, Running};
pub(crate) use server::{ServerParts, ServerSystem, Storage};
pub(crate) use stock::Stock;

/// The program that agents are.
#[derive(Debug, Clone)]
pub(crate) enum Agent {
    /// The stub: no model, no start time to speak of.
    Stub,
    /// The real CLI, and where its model is.
    Real {
        /// URL of a Messages API.
        model_url: String,
    },
}

/// What a measure wants of a system.
#[derive(Clone)]
pub(crate) struct Wants {
    /// Agents at once.
    pub(crate) agents: usize,
    /// What they are.
    pub(crate) agent: Agent,
    /// Whether an agent waits for its session's next task.
    pub(crate) keeps_agents: bool,
    /// Agents kept ready for new sessions.
    pub(crate) prewarm: usize,
    /// What it starts on, instead of nothing. Only asked of a [`ServerSystem`].
    pub(crate) stock: Option<Arc<Stock>>,
}

impl Wants {
    /// So many stubs at once, which wait for their session's next task.
    pub(crate) fn stubs(agents: usize) -> Self {
        Self { agents, agent: Agent::Stub, keeps_agents: true, prewarm: 0, stock: None }
    }
}

/// Something that can be started.
#[async_trait]
pub(crate) trait System: Send + Sync {
    /// The variant of its figures.
    fn name(&self) -> &str;

    /// With how large a share of the usual number of events it is measured: less than 1 for a slow one, whose rounds would take minutes.
    fn share(&self) -> f64 {
        1.0
    }

    /// Our server; `None` for another system.
    fn as_server(&self) -> Option<&ServerSystem> {
        None
    }

    /// Starts one on nothing, and waits until it answers `GET /health`.
    async fn start(&self, wants: Wants) -> Result<Running>;
}

/// All systems: the server with each storage, and the service in Python where it is installed.
pub(crate) fn all(server: &Path) -> Vec<Arc<dyn System>> {
    let python = PythonService::installed().map(|service| Arc::new(service) as Arc<dyn System>);
    servers(server).into_iter().chain(python).collect()
}

/// A server, by its program, with each storage.
pub(crate) fn servers(program: &Path) -> Vec<Arc<dyn System>> {
    Storage::ALL.map(|storage| Arc::new(ServerSystem::new(program, storage)) as Arc<dyn System>).to_vec()
}

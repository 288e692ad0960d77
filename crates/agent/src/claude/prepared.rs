//! An agent that waits for its task, as the engine knows it.

use std::sync::Arc;

use async_trait::async_trait;

use super::launcher::{ClaudeOptions, check_folder, launched};
use super::permissions::Permissions;
use super::spare::Spare;
use crate::{Agent, AgentSpec, LaunchError, Launched, Opening, Prepared, StopReceipt, Urgency};

/// A spare, and what it was started for.
pub(super) struct PreparedAgent {
    pub(super) spare: Spare,
    pub(super) spec: AgentSpec,
    /// What a claim makes of it, but for the folder.
    pub(super) options: ClaudeOptions,
}

impl PreparedAgent {
    async fn claim(&self, spec: &AgentSpec) -> Result<(), LaunchError> {
        if !self.fits(spec) {
            return Err(LaunchError::NotStarted("the agent was prepared for other options".to_owned()));
        }
        check_folder(&spec.working_directory).await?;
        let working_directory = spec.working_directory.clone();
        let wanted = ClaudeOptions { working_directory, ..self.options.clone() };
        let claimed = self.spare.claim(&wanted).await;
        claimed
            .map_err(|error| LaunchError::NotStarted(format!("a prepared agent could not be used: {error}")))
    }
}

#[async_trait]
impl Prepared for PreparedAgent {
    fn is_ready(&self) -> bool {
        self.spare.is_ready()
    }

    fn fits(&self, spec: &AgentSpec) -> bool {
        let (opening, working_directory) = (spec.opening, spec.working_directory.clone());
        let trace_parent = spec.trace_parent.clone();
        matches!(opening, Opening::New(_))
            && AgentSpec { opening, working_directory, trace_parent, ..self.spec.clone() } == *spec
    }

    async fn bind(self: Box<Self>, spec: &AgentSpec) -> Result<Launched, LaunchError> {
        if let Err(error) = self.claim(spec).await {
            self.stop().await;
            return Err(error);
        }
        let permissions = Permissions::new(spec);
        Ok(launched(self.spare.hand_over(Arc::new(permissions))))
    }

    async fn stop(self: Box<Self>) -> StopReceipt {
        self.spare.agent.stop(Urgency::Now).await
    }

    fn pid(&self) -> u32 {
        self.spare.agent.pid()
    }
}

//! Starts the CLI.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use claude_protocol::{Conversation, LaunchOptions};
use process::{CgroupLimits, CgroupSpec, Cgroups, Limits, Owner, Spec};

use super::driver::ClaudeAgent;
use super::environment::Environment;
use super::permissions::Permissions;
use super::transcript::{Transcript, TranscriptError};
use crate::{AgentSpec, LaunchError, Launched, Launcher, Opening};

/// What all agents of one tenant are started with.
#[derive(Clone)]
pub struct ClaudeConfig {
    /// The CLI's binary.
    pub program: PathBuf,
    /// What its environment is made of.
    pub environment: Environment,
    /// Settings files that it may read: `user`, `project`, `local`.
    pub setting_sources: Vec<String>,
    /// The server that its processes belong to.
    pub owner: Owner,
    /// Control groups, where there are any: what an agent starts then cannot outlive it, whatever it does.
    pub cgroups: Option<Cgroups>,
}

/// Starts one CLI process an agent.
pub struct ClaudeLauncher {
    config: ClaudeConfig,
}

impl ClaudeLauncher {
    /// A launcher of that CLI.
    pub fn new(config: ClaudeConfig) -> Self {
        Self { config }
    }

    fn process(&self, spec: &AgentSpec, permissions: &Permissions) -> Spec {
        let options = LaunchOptions {
            conversation: match spec.opening {
                Opening::New(id) => Conversation::New(id.0),
                Opening::Resume(id) => Conversation::Resume(id.0),
            },
            allowed_tools: spec.allowed_tools.clone(),
            disallowed_tools: Permissions::removed_tools(),
            ask_tools: permissions.ask_tools(),
            permission_mode: spec.permission_mode.as_str(),
            max_turns: spec.max_turns,
            model: spec.model.clone(),
            setting_sources: self.config.setting_sources.clone(),
        };
        Spec {
            program: self.config.program.clone(),
            args: options.arguments().into_iter().map(Into::into).collect(),
            env: self.config.environment.variables(&spec.working_directory),
            cwd: spec.working_directory.clone(),
            owner: self.config.owner.clone(),
            limits: Limits::default(),
            cgroup: self
                .config
                .cgroups
                .clone()
                .map(|groups| CgroupSpec { groups, limits: CgroupLimits::default() }),
        }
    }
}

/// The folder was checked when the task was admitted, its symlinks resolved. It has to be the same folder still.
async fn check_folder(folder: &Path) -> Result<(), LaunchError> {
    match tokio::fs::canonicalize(folder).await {
        Ok(found) if found == folder => Ok(()),
        Ok(_) => Err(LaunchError::NotStarted(format!("{} has been replaced by a link", folder.display()))),
        Err(error) => {
            Err(LaunchError::NotStarted(format!("{} is no longer there: {error}", folder.display())))
        }
    }
}

#[async_trait]
impl Launcher for ClaudeLauncher {
    async fn launch(&self, spec: AgentSpec) -> Result<Launched, LaunchError> {
        check_folder(&spec.working_directory).await?;
        let (Opening::New(conversation) | Opening::Resume(conversation)) = spec.opening;
        let transcript = Transcript::new(self.config.environment.folders.config(), conversation);
        if let Opening::Resume(_) = spec.opening {
            transcript.prepare_resume().await.map_err(|error| match error {
                TranscriptError::Missing => LaunchError::ConversationLost,
                TranscriptError::Unusable(_) => LaunchError::NotStarted(error.to_string()),
            })?;
        }
        let permissions = Permissions::new(spec.allowed_tools.clone(), spec.permission_mode);
        let child = process::spawn(self.process(&spec, &permissions))
            .await
            .map_err(|error| LaunchError::NotStarted(error.to_string()))?;
        let (agent, events) = ClaudeAgent::start(child, permissions, transcript);
        Ok(Launched { agent: Box::new(agent), events })
    }
}

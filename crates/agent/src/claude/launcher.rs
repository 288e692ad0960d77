//! Starts the CLI.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use claude_protocol::{Conversation, Initialize, LaunchOptions};
use domain::ConversationId;
use process::{CgroupLimits, CgroupSpec, Cgroups, Limits, Owner, Spec};
use uuid::Uuid;

use super::driver::{ClaudeAgent, Opened};
use super::environment::Environment;
use super::permissions::Permissions;
use super::transcript::{Transcript, TranscriptError, newest};
use super::writers::Writers;
use crate::{AgentSpec, Events, Host, LaunchError, Launched, Launcher, Opening};

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
    /// What the processes of one agent may use together, as far as its control group can enforce it.
    pub group_limits: CgroupLimits,
    /// What each process of an agent may use.
    pub limits: Limits,
}

/// What one agent is started with, in full: every option of the official SDK.
#[derive(Debug, Clone, Default)]
pub struct ClaudeOptions {
    /// The folder it works in: absolute, without links, and there.
    pub working_directory: PathBuf,
    /// What goes on its command line.
    pub launch: LaunchOptions,
    /// What it is told when the conversation opens. Hooks and MCP servers of the [`Host`] are added to it.
    pub initialize: Initialize,
    /// Variables of its environment, which take the place of ours of the same name.
    pub environment: Vec<(String, String)>,
}

/// Starts one CLI process an agent.
pub struct ClaudeLauncher {
    config: ClaudeConfig,
    writers: Writers,
}

impl ClaudeLauncher {
    /// A launcher of that CLI.
    pub fn new(config: ClaudeConfig) -> Self {
        Self { config, writers: Writers::default() }
    }

    /// Starts an agent whose questions `host` answers. Returns as soon as its process runs; `Ready` or `Exited`
    /// follows as an event.
    ///
    /// # Errors
    /// When there is no process to start, or its conversation cannot be had.
    pub async fn start(
        &self,
        mut options: ClaudeOptions,
        host: Host,
    ) -> Result<(ClaudeAgent, Events), LaunchError> {
        check_folder(&options.working_directory).await?;
        let id = self.settle(&mut options).await?;
        let writing = self.writers.claim(id).ok_or(LaunchError::ConversationInUse)?;
        let transcript = self.transcript(id);
        self.check_origin(options.launch.conversation).await?;
        // No agent reaches the others of this machine, or starts work that nobody owns.
        for tool in Permissions::removed_tools() {
            if !options.launch.disallowed_tools.contains(&tool) {
                options.launch.disallowed_tools.push(tool);
            }
        }
        // What waits for `initialize` can be given servers there: their secrets do not show in the process table.
        options.launch.await_initialize |= !options.initialize.mcp_servers.is_empty();
        let spec = self.process(&options)?;
        let child = process::spawn(spec).await.map_err(|error| LaunchError::NotStarted(error.to_string()))?;
        let opened = Opened { host, initialize: options.initialize, transcript, writing };
        Ok(ClaudeAgent::start(child, opened))
    }

    /// Decides which conversation will be written, and gives its id: two agents must not write the same one.
    async fn settle(&self, options: &mut ClaudeOptions) -> Result<Uuid, LaunchError> {
        let conversation = &mut options.launch.conversation;
        if *conversation == Conversation::Continue {
            let config = self.config.environment.folders.config();
            let newest = newest(config, &options.working_directory).await;
            let newest = newest.map_err(|error| LaunchError::NotStarted(error.to_string()))?;
            *conversation = newest.map_or(Conversation::Fresh, Conversation::Resume);
        }
        match conversation {
            Conversation::Fresh | Conversation::Continue => {
                let id = Uuid::new_v4();
                *conversation = Conversation::New(id);
                Ok(id)
            }
            Conversation::New(id) | Conversation::Resume(id) => Ok(*id),
            Conversation::Fork { to, .. } => Ok(*to.get_or_insert_with(Uuid::new_v4)),
        }
    }

    /// Makes sure that there is something to go on from.
    async fn check_origin(&self, conversation: Conversation) -> Result<(), LaunchError> {
        match conversation {
            Conversation::Resume(from) => prepare_resume(&self.transcript(from)).await,
            Conversation::Fork { from, .. } => {
                let transcript = self.transcript(from);
                // Nothing is mended that somebody writes.
                match self.writers.claim(from) {
                    Some(_writing) => prepare_resume(&transcript).await,
                    None if transcript.exists().await => Ok(()),
                    None => Err(LaunchError::ConversationLost),
                }
            }
            Conversation::Fresh | Conversation::New(_) | Conversation::Continue => Ok(()),
        }
    }

    fn transcript(&self, conversation: Uuid) -> Transcript {
        Transcript::new(self.config.environment.folders.config(), ConversationId(conversation))
    }

    fn process(&self, options: &ClaudeOptions) -> Result<Spec, LaunchError> {
        let args = options.launch.arguments().map_err(|error| LaunchError::NotStarted(error.to_string()))?;
        let mut env = self.config.environment.variables(&options.working_directory);
        env.retain(|(name, _)| !options.environment.iter().any(|(given, _)| name == given.as_str()));
        env.extend(options.environment.iter().map(|(name, value)| (name.into(), value.into())));
        let groups = self.config.cgroups.clone();
        Ok(Spec {
            program: self.config.program.clone(),
            args: args.into_iter().map(Into::into).collect(),
            env,
            cwd: options.working_directory.clone(),
            owner: self.config.owner.clone(),
            limits: self.config.limits.clone(),
            cgroup: groups.map(|groups| CgroupSpec { groups, limits: self.config.group_limits.clone() }),
        })
    }

    fn options(&self, spec: &AgentSpec, permissions: &Permissions) -> ClaudeOptions {
        let sources = &self.config.setting_sources;
        let launch = LaunchOptions {
            conversation: match spec.opening {
                Opening::New(id) => Conversation::New(id.0),
                Opening::Resume(id) => Conversation::Resume(id.0),
            },
            allowed_tools: spec.allowed_tools.clone(),
            ask_tools: permissions.ask_tools(),
            permission_mode: Some(spec.permission_mode.as_str()),
            max_turns: spec.max_turns,
            model: spec.model.clone(),
            strict_mcp_config: !sources.iter().any(|source| source == "project"),
            setting_sources: sources.clone(),
            partial_messages: true,
            ..LaunchOptions::default()
        };
        ClaudeOptions { working_directory: spec.working_directory.clone(), launch, ..Default::default() }
    }
}

async fn prepare_resume(transcript: &Transcript) -> Result<(), LaunchError> {
    transcript.prepare_resume().await.map_err(|error| match error {
        TranscriptError::Missing => LaunchError::ConversationLost,
        TranscriptError::Unusable(_) => LaunchError::NotStarted(error.to_string()),
    })
}

/// The folder was checked when the task was admitted, its symlinks resolved. It has to be the same folder still.
pub(super) async fn check_folder(folder: &Path) -> Result<(), LaunchError> {
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
        let permissions = Permissions::new(spec.allowed_tools.clone(), spec.permission_mode);
        let options = self.options(&spec, &permissions);
        let (agent, events) = self.start(options, Host::new(permissions)).await?;
        Ok(Launched { agent: Box::new(agent), events })
    }
}

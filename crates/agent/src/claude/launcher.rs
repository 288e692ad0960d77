//! Starts the CLI.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use claude_protocol::{Conversation, Initialize, LaunchOptions, Thinking, Tools};
use domain::{AgentOptions, ConversationId, Principal};
use process::{CgroupLimits, CgroupSpec, Cgroups, Limits, Owner, Spec};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use uuid::Uuid;

use super::driver::{ClaudeAgent, Opened};
use super::environment::{AgentFolders, Environment, Particulars};
use super::forget::forget;
use super::permissions::Permissions;
use super::prepared::PreparedAgent;
use super::spare::{Spare, Unready};
use super::transcript::{Transcript, TranscriptError, newest};
use super::writers::{Purpose, Writers, Writing};
use crate::{
    AgentSpec, Events, Host, LaunchError, Launched, Launcher, Looks, ModelEndpoint, ModelGateway, Opening,
    Prepared,
};

/// Has the CLI go on by itself with a turn in which its last process was killed (protocol section 12.2).
const RESUME_TURN: &str = "CLAUDE_CODE_RESUME_INTERRUPTED_TURN";

/// At the folders of tasks that begin. Callers' looks are others: they cannot use these up.
static LOOKS: Looks = Looks::at_once(64);

/// An agent that is being ended has ended by then, with all that it has started.
const ENDED_WITHIN: Duration = Duration::from_secs(30);

/// Tells the CLI and its tools which trace their work is a part of.
const TRACE_PARENT: &str = "TRACEPARENT";

/// What all agents are started with.
#[derive(Clone)]
pub struct ClaudeConfig {
    /// The CLI's binary.
    pub program: PathBuf,
    /// What its environment is made of.
    pub environment: Environment,
    /// What stands between agents and the model API; `None` when they talk to it with the credential itself.
    pub gateway: Option<Arc<dyn ModelGateway>>,
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
    /// Whose conversation it is: the CLI's files are kept apart.
    pub principal: Principal,
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
    /// Whether this CLI can be bound to a folder after its start.
    can_wait: AtomicBool,
}

impl ClaudeLauncher {
    /// A launcher of that CLI.
    pub fn new(config: ClaudeConfig) -> Self {
        Self { config, writers: Writers::default(), can_wait: AtomicBool::new(true) }
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
        let folders = self.make_folders(&options.principal).await?;
        let id = self.settle(&mut options, &folders).await?;
        let writing = self.writers.claim(id, Purpose::Write).await.ok_or(LaunchError::ConversationInUse)?;
        let transcript = Transcript::new(folders.config(), ConversationId(id));
        let writing = self.check_origin(options.launch.conversation, &folders, writing).await?;
        // No agent reaches the others of this machine, or starts work that nobody owns.
        for tool in Permissions::removed_tools() {
            if !options.launch.disallowed_tools.contains(&tool) {
                options.launch.disallowed_tools.push(tool);
            }
        }
        // What waits for `initialize` can be given servers there: their secrets do not show in the process table.
        options.launch.await_initialize |= !options.initialize.mcp_servers.is_empty();
        let endpoint = self.config.gateway.as_ref().map(|gateway| gateway.open());
        let spec = self.process(&options, &folders, endpoint.as_deref())?;
        let child = process::spawn(spec).await.map_err(|error| LaunchError::NotStarted(error.to_string()))?;
        let opened = Opened { host, initialize: options.initialize, transcript, writing, endpoint };
        Ok(ClaudeAgent::start(child, opened))
    }

    /// An agent that waits in `parking` for its folder. A CLI that does not know how is remembered.
    pub(super) async fn spare(&self, parking: &Path, options: &ClaudeOptions) -> Option<Spare> {
        if !self.can_wait.load(Ordering::Relaxed) {
            return None;
        }
        match Spare::parked(self, parking, options).await {
            Ok(spare) => Some(spare),
            Err(Unready::Broken) => None,
            Err(Unready::CannotWait) => {
                tracing::info!("this CLI cannot wait for a folder: agents are started when they are needed");
                self.can_wait.store(false, Ordering::Relaxed);
                None
            }
        }
    }

    fn folders(&self, principal: &Principal) -> AgentFolders {
        AgentFolders::of(principal, &self.config.environment.agents)
    }

    async fn make_folders(&self, principal: &Principal) -> Result<AgentFolders, LaunchError> {
        let folders = self.folders(principal);
        let made = folders.create().await;
        made.map_err(|error| {
            LaunchError::NotStarted(format!("the folders of {principal}'s agents cannot be made: {error}"))
        })?;
        Ok(folders)
    }

    /// Decides which conversation will be written, and gives its id: two agents must not write the same one.
    async fn settle(&self, options: &mut ClaudeOptions, folders: &AgentFolders) -> Result<Uuid, LaunchError> {
        let conversation = &mut options.launch.conversation;
        if *conversation == Conversation::Continue {
            let newest = newest(folders.config(), &options.working_directory).await;
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

    /// Makes sure that there is something to go on from. Gives back the right to write what is resumed.
    async fn check_origin(
        &self,
        conversation: Conversation,
        folders: &AgentFolders,
        writing: Writing,
    ) -> Result<Writing, LaunchError> {
        let transcript = |id| Transcript::new(folders.config(), ConversationId(id));
        match conversation {
            Conversation::Resume(from) => return prepare_resume(&transcript(from), writing).await,
            Conversation::Fork { from, .. } => {
                let transcript = transcript(from);
                // Nothing is mended that somebody writes.
                match self.writers.claim(from, Purpose::Mend).await {
                    Some(mending) => drop(prepare_resume(&transcript, mending).await?),
                    None if transcript.exists().await => {}
                    None => return Err(LaunchError::ConversationLost),
                }
            }
            Conversation::Fresh | Conversation::New(_) | Conversation::Continue => {}
        }
        Ok(writing)
    }

    fn transcript(&self, principal: &Principal, conversation: ConversationId) -> Transcript {
        Transcript::new(self.folders(principal).config(), conversation)
    }

    fn process(
        &self,
        options: &ClaudeOptions,
        folders: &AgentFolders,
        endpoint: Option<&dyn ModelEndpoint>,
    ) -> Result<Spec, LaunchError> {
        let args = options.launch.arguments().map_err(|error| LaunchError::NotStarted(error.to_string()))?;
        let working_directory = &options.working_directory;
        let mut env =
            self.config.environment.variables(&Particulars { folders, working_directory, endpoint });
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

    fn options(&self, spec: &AgentSpec, permissions: &Permissions) -> Result<ClaudeOptions, LaunchError> {
        let (sources, more) = (&self.config.setting_sources, &spec.more);
        let launch = LaunchOptions {
            conversation: match spec.opening {
                Opening::New(id) => Conversation::New(id.0),
                Opening::Resume(id) | Opening::ResumeTurn(id) => Conversation::Resume(id.0),
                Opening::Fork { from, to } => Conversation::Fork { from: from.0, to: Some(to.0) },
            },
            allowed_tools: spec.allowed_tools.clone(),
            ask_tools: permissions.ask_tools(),
            permission_mode: Some(spec.permission_mode.as_str()),
            max_turns: spec.max_turns,
            max_budget_usd: spec.max_budget_usd,
            model: spec.model.clone(),
            tools: more.tools.clone().map_or(Tools::Default, Tools::Only),
            disallowed_tools: more.disallowed_tools.clone(),
            fallback_models: more.fallback_model.clone().into_iter().collect(),
            effort: more.effort.map(|effort| effort.as_str().to_owned()),
            thinking: more.max_thinking_tokens.map(Thinking::Tokens),
            add_dirs: more.add_dirs.clone(),
            strict_mcp_config: !sources.iter().any(|source| source == "project"),
            setting_sources: sources.clone(),
            partial_messages: true,
            ..LaunchOptions::default()
        };
        let resumes_turn = matches!(spec.opening, Opening::ResumeTurn(_));
        let resume = resumes_turn.then(|| (RESUME_TURN.to_owned(), "1".to_owned()));
        let trace_parent = spec.trace_parent.clone().map(|parent| (TRACE_PARENT.to_owned(), parent));
        Ok(ClaudeOptions {
            principal: spec.principal.clone(),
            working_directory: spec.working_directory.clone(),
            launch,
            initialize: initialize(more)?,
            environment: resume.into_iter().chain(trace_parent).collect(),
        })
    }
}

/// What is too long or too secret for a command line.
fn initialize(more: &AgentOptions) -> Result<Initialize, LaunchError> {
    fn read<T: DeserializeOwned + Default>(name: &str, json: Option<&String>) -> Result<T, LaunchError> {
        let read = json.map(|json| serde_json::from_str(json)).transpose();
        let value =
            read.map_err(|error| LaunchError::NotStarted(format!("{name} cannot be read: {error}")))?;
        Ok(value.unwrap_or_default())
    }
    Ok(Initialize {
        system_prompt: more.system_prompt.clone(),
        append_system_prompt: more.append_system_prompt.clone(),
        json_schema: read("output_schema", more.output_schema.as_ref())?,
        agents: read("agents", more.agents.as_ref())?,
        mcp_servers: read("mcp_servers", more.mcp_servers.as_ref())?,
        ..Initialize::default()
    })
}

async fn prepare_resume(transcript: &Transcript, writing: Writing) -> Result<Writing, LaunchError> {
    transcript.prepare_resume(writing).await.map_err(|error| match error {
        TranscriptError::Missing => LaunchError::ConversationLost,
        TranscriptError::Unusable(_) => LaunchError::NotStarted(error.to_string()),
    })
}

/// The folder was checked when the task was admitted, its symlinks resolved. It has to be the same folder still.
pub(super) async fn check_folder(folder: &Path) -> Result<(), LaunchError> {
    let named = folder.to_owned();
    match LOOKS.look(move || named.canonicalize()).await {
        Ok(found) if found == folder => Ok(()),
        Ok(_) => Err(LaunchError::NotStarted(format!("{} has been replaced by a link", folder.display()))),
        Err(error) if error.kind() == std::io::ErrorKind::TimedOut => {
            Err(LaunchError::NotStarted(format!("{} cannot be looked at: {error}", folder.display())))
        }
        Err(error) => {
            Err(LaunchError::NotStarted(format!("{} is no longer there: {error}", folder.display())))
        }
    }
}

/// An agent as the engine knows it.
pub(super) fn launched((agent, events): (ClaudeAgent, Events)) -> Launched {
    let conversation = agent.conversation();
    Launched { agent: Box::new(agent), events, conversation }
}

#[async_trait]
impl Launcher for ClaudeLauncher {
    async fn launch(&self, spec: AgentSpec) -> Result<Launched, LaunchError> {
        let permissions = Permissions::new(&spec);
        let options = self.options(&spec, &permissions)?;
        for folder in &spec.more.add_dirs {
            check_folder(folder).await?;
        }
        Ok(launched(self.start(options, Host::new(permissions)).await?))
    }

    async fn prepare(&self, spec: &AgentSpec) -> Option<Box<dyn Prepared>> {
        let permissions = Permissions::new(spec);
        let mut options = self.options(spec, &permissions).ok()?;
        // It gets an id of its own.
        options.launch.conversation = Conversation::Fresh;
        options.environment.clear();
        let folders = self.make_folders(&spec.principal).await.ok()?;
        let parking = tokio::fs::canonicalize(folders.parking()).await.ok()?;
        let spare = self.spare(&parking, &options).await?;
        Some(Box::new(PreparedAgent { spare, spec: spec.clone(), options }))
    }

    async fn has_prompt(&self, principal: &Principal, conversation: ConversationId, prompt: Uuid) -> bool {
        self.transcript(principal, conversation).has_prompt(prompt).await
    }

    async fn has_conversation(&self, principal: &Principal, conversation: ConversationId) -> bool {
        self.transcript(principal, conversation).exists().await
    }

    async fn transcript(
        &self,
        principal: &Principal,
        conversation: ConversationId,
    ) -> std::io::Result<Option<mpsc::Receiver<Bytes>>> {
        self.transcript(principal, conversation).read().await
    }

    async fn forget(&self, principal: &Principal, conversation: ConversationId) {
        // Its agent may be on its way out.
        let Ok(writing) = timeout(ENDED_WITHIN, self.writers.claim_when_free(conversation.0)).await else {
            tracing::error!(%conversation, "the conversation's agent does not end, so the conversation is kept");
            return;
        };
        let folders = self.folders(principal);
        let forgotten = spawn_blocking(move || {
            forget(&folders, conversation);
            drop(writing);
        });
        if let Err(error) = forgotten.await {
            tracing::error!(%conversation, %error, "a conversation could not be deleted");
        }
    }
}

//! A model, a folder to work in, and an agent in it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent::claude::{ClaudeAgent, ClaudeConfig, ClaudeLauncher, ClaudeOptions, Credential};
use agent::claude::{Environment, locate};
use agent::protocol::{CanUseTool, LaunchOptions, PermissionAnswer, Prompt};
use agent::{
    Agent, AgentEvent, AgentSpec, Events, Host, LaunchError, Launched, Launcher, ModelGateway, Opening,
    Statement, StopReceipt, TurnEnd, Urgency,
};
use domain::{AgentOptions, ConversationId, PermissionMode, Principal};
use process::{CgroupLimits, Limits, Owner};
use scripted_model::{Options, Scenario, ScriptedModel};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::timeout;
use uuid::Uuid;

/// Long enough to be an error when it is used up, also on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Place {
    root: TempDir,
    pub(crate) model: ScriptedModel,
    pub(crate) launcher: Arc<ClaudeLauncher>,
}

pub(crate) type Making<From, Made> = Box<dyn FnOnce(From) -> Made>;

/// What a place has that is out of the ordinary.
#[derive(Default)]
pub(crate) struct Extras {
    /// What the model follows instead of its prompts.
    pub(crate) scenario: Option<Scenario>,
    /// What is run instead of the CLI that is there.
    pub(crate) program: Option<Making<PathBuf, PathBuf>>,
    /// What stands between the agents and the model, which it is told the URL of.
    pub(crate) gateway: Option<Making<String, Arc<dyn ModelGateway>>>,
}

impl Place {
    pub(crate) async fn new() -> Self {
        Self::with(Extras::default()).await
    }

    pub(crate) async fn with(extras: Extras) -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("work")).unwrap();
        let scenario = extras.scenario;
        let model = ScriptedModel::start(Options { scenario, ..Options::default() }).await.unwrap();
        let near = [PathBuf::from(env!("CARGO_MANIFEST_DIR"))];
        let found = locate(None, &near, "".as_ref()).unwrap();
        let launcher = Arc::new(ClaudeLauncher::new(ClaudeConfig {
            program: extras.program.map_or_else(|| found.clone(), |program| program(found.clone())),
            environment: Environment {
                credential: Credential::ApiKey("dummy-key".into()),
                base_url: Some(model.base_url()),
                agents: root.path().join("agents"),
                path: "/usr/local/bin:/usr/bin:/bin".into(),
            },
            gateway: extras.gateway.map(|gateway| gateway(model.base_url())),
            setting_sources: vec![],
            owner: Owner::new(&format!("conformance-{}", Uuid::new_v4())).unwrap(),
            cgroups: None,
            group_limits: CgroupLimits::default(),
            limits: Limits::default(),
        }));
        Self { root, model, launcher }
    }

    /// What a principal's agents keep.
    pub(crate) fn kept(&self, principal: &Principal) -> PathBuf {
        self.root.path().join("agents").join(principal.as_str())
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.root.path().canonicalize().unwrap().join("work")
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.work().join(name)).unwrap()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.work().join(name).exists()
    }

    /// What is on disk of a conversation of the default principal; nothing before its first prompt.
    pub(crate) fn transcript(&self, conversation: Uuid) -> String {
        let projects = self.kept(&Principal::default()).join("config/projects");
        let folders = std::fs::read_dir(projects).into_iter().flatten().flatten();
        let file = format!("{conversation}.jsonl");
        folders.filter_map(|folder| std::fs::read_to_string(folder.path().join(&file)).ok()).collect()
    }

    /// Replaces it.
    pub(crate) fn write_transcript(&self, conversation: Uuid, text: &str) {
        let projects = self.kept(&Principal::default()).join("config/projects");
        let folders = std::fs::read_dir(projects).unwrap().flatten();
        let mut files = folders.map(|folder| folder.path().join(format!("{conversation}.jsonl")));
        std::fs::write(files.find(|file| file.exists()).unwrap(), text).unwrap();
    }

    pub(crate) fn options(&self, launch: LaunchOptions) -> ClaudeOptions {
        ClaudeOptions { working_directory: self.work(), launch, ..ClaudeOptions::default() }
    }

    pub(crate) async fn open(&self, options: ClaudeOptions, host: Host) -> Session {
        self.try_open(options, host).await.unwrap()
    }

    pub(crate) async fn try_open(&self, options: ClaudeOptions, host: Host) -> Result<Session, LaunchError> {
        Ok(Session::new(self.launcher.start(options, host).await?).await)
    }

    /// A task that may do everything, for the default principal.
    pub(crate) fn spec(&self, opening: Opening) -> AgentSpec {
        AgentSpec {
            opening,
            principal: Principal::default(),
            working_directory: self.work(),
            allowed_tools: ["Bash", "Write", "Edit", "Read"].map(str::to_owned).into(),
            permission_mode: PermissionMode::AcceptEdits,
            asking: agent::Asking::default(),
            max_turns: None,
            max_budget_usd: None,
            model: None,
            more: AgentOptions::default(),
            trace_parent: None,
        }
    }

    /// An agent as the engine has it.
    pub(crate) async fn launch(&self, spec: AgentSpec) -> Session<dyn Agent> {
        Session::of(self.launcher.launch(spec).await.unwrap()).await
    }

    /// An agent that asks for nearly everything and is allowed all of it.
    pub(crate) async fn allowed(&self) -> Session {
        self.open(self.options(LaunchOptions::default()), allowing()).await
    }
}

/// Waits for a condition that nobody tells about.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain for: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A host that allows whatever is asked.
pub(crate) fn allowing() -> Host {
    Host::new(async |_: CanUseTool| PermissionAnswer::allow())
}

pub(crate) struct Session<A: Agent + ?Sized = ClaudeAgent> {
    pub(crate) agent: Box<A>,
    pub(crate) conversation: ConversationId,
    events: Events,
    /// Everything since the last turn's end.
    pub(crate) seen: Vec<AgentEvent>,
}

/// What happened up to the end of a turn.
pub(crate) struct Turn {
    pub(crate) events: Vec<AgentEvent>,
    pub(crate) end: TurnEnd,
}

impl Session {
    pub(crate) async fn new((agent, events): (ClaudeAgent, Events)) -> Self {
        let conversation = agent.conversation();
        let mut session = Self { agent: Box::new(agent), conversation, events, seen: Vec::new() };
        session.ready().await;
        session
    }

    pub(crate) fn send(&self, text: &str) -> Uuid {
        let prompt = Prompt::text(Uuid::new_v4(), text);
        self.agent.send(&prompt).unwrap();
        prompt.uuid
    }
}

impl Session<dyn Agent> {
    pub(crate) async fn of(Launched { agent, events, conversation }: Launched) -> Self {
        let mut session = Self { agent, conversation, events, seen: Vec::new() };
        session.ready().await;
        session
    }
}

impl<A: Agent + ?Sized> Session<A> {
    async fn ready(&mut self) {
        self.until(|event| matches!(event, AgentEvent::Ready)).await;
    }

    pub(crate) async fn prompt(&self, text: &str) -> Uuid {
        let id = Uuid::new_v4();
        self.agent.prompt(id, text).await.unwrap();
        id
    }

    /// Waits for an event, which is left the last in `seen`.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&AgentEvent) -> bool) {
        let search = async {
            loop {
                let batch = self.events.batch(1).await;
                let [event] =
                    <[AgentEvent; 1]>::try_from(batch).unwrap_or_else(|_| panic!("the agent is gone"));
                let found = wanted(&event);
                self.seen.push(event);
                if found {
                    return;
                }
            }
        };
        assert!(timeout(PATIENCE, search).await.is_ok(), "waited in vain, and saw: {}", self.kinds());
    }

    /// What was seen, without texts that may be of any length.
    fn kinds(&self) -> String {
        let kind = |event: &AgentEvent| format!("{event:?}").chars().take(120).collect::<String>();
        self.seen.iter().map(kind).collect::<Vec<_>>().join("\n")
    }

    pub(crate) async fn end_of_turn(&mut self) -> Turn {
        self.until(|event| matches!(event, AgentEvent::TurnEnded(_))).await;
        let mut events = std::mem::take(&mut self.seen);
        let Some(AgentEvent::TurnEnded(end)) = events.pop() else { panic!("no turn's end") };
        Turn { events, end }
    }

    /// Sends a prompt, and waits for the turn that answers it.
    pub(crate) async fn turn(&mut self, text: &str) -> Turn {
        let id = self.prompt(text).await;
        let turn = self.end_of_turn().await;
        assert_eq!(turn.end.prompts, [id]);
        turn
    }

    /// As [`Self::turn`], passing over the ends of turns before.
    pub(crate) async fn turn_of(&mut self, text: &str) -> Turn {
        let id = self.prompt(text).await;
        loop {
            let turn = self.end_of_turn().await;
            if turn.end.prompts.contains(&id) {
                return turn;
            }
        }
    }

    pub(crate) async fn called(&mut self, tool: &str) {
        self.until(|event| {
            matches!(event, AgentEvent::Said(said)
                if matches!(&said.statement, Statement::ToolUse { name, .. } if name == tool))
        })
        .await;
    }

    pub(crate) async fn close(self) -> StopReceipt {
        let receipt = self.agent.stop(Urgency::Orderly).await;
        assert_eq!(receipt.processes_left, 0);
        receipt
    }
}

impl Turn {
    /// The tools' answers: name, text, whether it failed.
    pub(crate) fn results(&self) -> Vec<(String, String, bool)> {
        self.statements()
            .filter_map(|statement| match statement {
                Statement::ToolResult { name, content, is_error, .. } => {
                    Some((name.clone(), content.clone(), *is_error))
                }
                _ => None,
            })
            .collect()
    }

    pub(crate) fn statements(&self) -> impl Iterator<Item = &Statement> {
        self.events.iter().filter_map(|event| match event {
            AgentEvent::Said(said) => Some(&said.statement),
            _ => None,
        })
    }

    /// Whether the CLI reported something of this kind.
    pub(crate) fn reported(&self, kind: &str) -> bool {
        self.statements().any(|said| matches!(said, Statement::System { subtype, .. } if subtype == kind))
    }

    /// The result in the CLI's words.
    pub(crate) fn result(&self) -> Value {
        serde_json::from_str(self.end.data.get()).unwrap()
    }
}

//! Puts the rooms together.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent::claude::{ClaudeConfig, ClaudeLauncher, Cli, LocateError, locate, probe};
use agent::{AgentSpec, Asking, ModelGateway, Opening};
use anyhow::Context;
use domain::{AgentOptions, Clock, ConversationId, OnQuestion, Principal, SystemClock};
use engine::{Engine, Folders, Settings};
use gateway::Gateway;
use http_api::{AppState, BodyBudget, Guesses, HostPolicy, RateLimit, Tickets, WorkspaceRoots};
use process::{CgroupLimits, Cgroups, Limits, Owner};
use scripted_model::ScriptedModel;
use sha2::{Digest, Sha256};
use store::Store;
use telemetry::{Metrics, Traces};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::model::{Model, Opened};
use super::storage::{self, Storage};
use crate::config::{self, AuthSettings, Config};
use crate::warden::{LeaseTimes, Warden};

/// Who can connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exposure {
    /// Whoever is on this machine.
    Machine,
    /// Others, too.
    Network,
}

/// The running server's parts.
pub(super) struct Parts {
    pub(super) cli: Cli,
    pub(super) engine: Engine,
    pub(super) state: Arc<AppState>,
    pub(super) storage: Storage,
    /// Ends the agents when this process cannot.
    pub(super) warden: Warden,
    /// In demo mode.
    pub(super) scripted: Option<ScriptedModel>,
    pub(super) gateway: Option<Arc<Gateway>>,
    /// Where agents have control groups of their own.
    pub(super) cgroups: Option<Cgroups>,
}

impl Parts {
    pub(super) async fn assemble(
        config: &Config,
        exposure: Exposure,
        traces: Traces,
    ) -> anyhow::Result<Self> {
        let data = prepare_folder("STORAGE_DATA_DIR", &config.data_dir)?;
        let owner = owner_of(&data)?;
        // First: it makes sure that this folder is ours, and with it what an earlier server left.
        let storage = storage::open(config, &data, &owner).await?;
        let cli = find_cli(config, &data, &owner).await?;
        let metrics = Arc::new(Metrics::default());
        let agents = prepare_folder("STORAGE_AGENTS_DIR", &config.agents_dir)?;
        let Model { environment, gateway, scripted } = Model::start(config, agents, metrics.clone()).await?;
        let cgroups = detect_cgroups(&owner);
        let warded = owner.clone();
        let launcher = ClaudeLauncher::new(ClaudeConfig {
            program: cli.program.clone(),
            environment,
            gateway: gateway.clone().map(|gateway| Arc::new(Opened(gateway)) as Arc<dyn ModelGateway>),
            setting_sources: config.setting_sources.clone(),
            cgroups: cgroups.clone(),
            group_limits: CgroupLimits::default(),
            limits: Limits::default(),
            owner,
        });
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let (store, launcher) = (storage.store.clone(), Arc::new(launcher));
        let warden = start_warden(config, &store, warded);
        let roots = WorkspaceRoots::resolve_all(&config.workspace_roots, &config.agents_dir)
            .context("WORKSPACE_ROOTS cannot be used")?;
        let engine = Engine::start(
            settings(config, roots.clone()),
            store,
            launcher,
            clock.clone(),
            metrics.clone(),
            traces.clone(),
        );
        let engine = engine.await.context("what an earlier server left cannot be taken over")?;
        let state = Arc::new(state(
            config,
            exposure,
            (&engine, roots),
            (clock, metrics, traces),
            &cli,
            (data, storage.warnings.clone()),
        )?);
        Ok(Self { cli, engine, state, storage, warden, scripted, gateway, cgroups })
    }
}

fn settings(config: &Config, roots: WorkspaceRoots) -> Settings {
    let life = config.agent_life;
    let is_shared = matches!(config.storage, config::Storage::Redis(_));
    Settings {
        max_agents: config.max_agents,
        max_pending: config.max_pending,
        drain: config.drain,
        // Another server may carry on a session, and an agent that waits here would not know of it.
        idle_timeout: if is_shared { Duration::ZERO } else { life.idle_timeout },
        folders: Folders::new(move |folder| roots.hold(folder)),
        cleanup_interval: life.cleanup_interval,
        prewarm: life.prewarm,
        looks_at_workspaces: true,
        prewarmed: (life.prewarm > 0).then(|| prewarmed(config)),
        recycling: life.recycling,
        stall_after: life.stall_after,
        retention: config.retention,
    }
}

/// What agents are prepared for: a task that leaves everything to the defaults, within what callers may ask for.
fn prewarmed(config: &Config) -> AgentSpec {
    let (defaults, bounds) = (&config.defaults, &config.policy);
    AgentSpec {
        opening: Opening::New(ConversationId::generate()),
        principal: Principal::default(),
        working_directory: PathBuf::new(),
        allowed_tools: defaults.allowed_tools.clone(),
        permission_mode: defaults.permission_mode,
        asking: Asking { is_possible: defaults.policy.on_question == OnQuestion::Ask, ..Asking::default() },
        max_turns: Some(defaults.max_turns.min(bounds.max_turns.unwrap_or(u32::MAX))),
        max_budget_usd: bounds.max_budget_usd,
        model: defaults.model.clone(),
        more: AgentOptions::default(),
        trace_parent: None,
    }
}

fn prepare_folder(variable: &str, path: &Path) -> anyhow::Result<PathBuf> {
    let fault = || format!("{variable}={}: the folder cannot be made: choose one that can", path.display());
    make_folder(path).with_context(fault)?;
    path.canonicalize().with_context(fault)
}

fn make_folder(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// The same name at every start with the same data, so that what a killed server left behind can be found.
fn owner_of(data: &Path) -> anyhow::Result<Owner> {
    use std::os::unix::ffi::OsStrExt;
    let digest = Sha256::digest(data.as_os_str().as_bytes());
    let name: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    Owner::new(&name).context("the data folder gives no name")
}

/// Where the storage is shared, the warden ends the agents a tenth of the lease before others may take over, and as long after this server
/// should have done so.
fn start_warden(config: &Config, store: &Arc<dyn Store>, owner: Owner) -> Warden {
    let times = match &config.storage {
        config::Storage::Redis(redis) => {
            Some(LeaseTimes { grace: redis.lease.mul_f64(0.1), heartbeat: redis.heartbeat })
        }
        _ => None,
    };
    Warden::start(Arc::clone(store), owner, times, config.agent_life.prewarm > 0)
}

fn detect_cgroups(owner: &Owner) -> Option<Cgroups> {
    match Cgroups::detect(owner) {
        Ok(groups) => Some(groups),
        Err(error) => {
            tracing::info!(reason = %error, "agents run without control groups");
            None
        }
    }
}

/// The CLI's binary: the configured one, else the pinned install near this program, else that on `PATH`.
pub(crate) fn locate_cli(config: &Config) -> Result<PathBuf, LocateError> {
    let executable = std::env::current_exe().ok();
    let near: Vec<PathBuf> = executable.into_iter().chain(std::env::current_dir().ok()).collect();
    let search_path = std::env::var_os("PATH").unwrap_or_default();
    locate(config.cli_path.as_deref(), &near, &search_path)
}

async fn find_cli(config: &Config, data: &Path, owner: &Owner) -> anyhow::Result<Cli> {
    let program = locate_cli(config)?;
    // No principal has a name that begins with a dot.
    let home = data.join("agents").join(".probe");
    make_folder(&home).with_context(|| format!("{} cannot be made", home.display()))?;
    Ok(probe(program, &home, owner).await?)
}

/// Where everybody may call, a page in a browser of somebody near must not, under a name of its own.
fn host_policy(config: &Config, exposure: Exposure, is_guarded: bool) -> HostPolicy {
    let url = config.public_url.as_deref().and_then(|url| url.split_once("://"));
    let name = url.and_then(|(_, host)| host.split(':').next()).map(str::to_owned);
    let names = name.into_iter().collect();
    match exposure {
        _ if is_guarded => HostPolicy::Any,
        Exposure::Network => HostPolicy::Near(names),
        Exposure::Machine => HostPolicy::Local(names),
    }
}

fn state(
    config: &Config,
    exposure: Exposure,
    (engine, roots): (&Engine, WorkspaceRoots),
    (clock, metrics, traces): (Arc<dyn Clock>, Arc<Metrics>, Traces),
    cli: &Cli,
    (data_folder, storage_warnings): (PathBuf, Vec<String>),
) -> anyhow::Result<AppState> {
    let auth = config.auth.as_ref().map(AuthSettings::open).transpose().map_err(anyhow::Error::msg)?;
    let hosts = host_policy(config, exposure, auth.is_some());
    Ok(AppState {
        engine: engine.handle(),
        clock,
        defaults: config.defaults.clone(),
        policy: config.policy.clone(),
        roots,
        labels: config.labels.clone(),
        auth,
        tickets: Tickets::default(),
        bodies: BodyBudget::default(),
        guesses: Guesses::default(),
        rate_limit: RateLimit::new(config.rate_limit.per_minute, config.rate_limit.loopback),
        hosts,
        cors: config.transport.cors.clone(),
        proxies: config.transport.proxies.clone(),
        public_websocket_base: config.public_url.as_deref().map(|url| url.replacen("http", "ws", 1)),
        metrics,
        traces,
        version: env!("CARGO_PKG_VERSION"),
        agent_program: cli.program.clone(),
        agent_version: cli.version.to_string(),
        data_folder,
        storage_warnings,
        started: Instant::now(),
        closing: CancellationToken::new(),
        streams: TaskTracker::new(),
    })
}

//! Puts the rooms together.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use agent::claude::{ClaudeConfig, ClaudeLauncher, Cli, Credential, Environment, locate, probe};
use anyhow::Context;
use domain::{Clock, SystemClock};
use engine::{Engine, Settings};
use http_api::{ApiKey, AppState, HostPolicy, WorkspaceRoots};
use process::{CgroupLimits, Cgroups, Limits, Owner};
use scripted_model::{Options, ScriptedModel};
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use store::MemoryStore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;

/// The running server's parts.
pub(super) struct Parts {
    pub(super) cli: Cli,
    pub(super) engine: Engine,
    pub(super) state: Arc<AppState>,
    /// In demo mode.
    pub(super) model: Option<ScriptedModel>,
    /// Where agents have control groups of their own.
    pub(super) cgroups: Option<Cgroups>,
}

impl Parts {
    pub(super) async fn assemble(config: &Config, address: SocketAddr) -> anyhow::Result<Self> {
        let data = prepare_data_dir(&config.data_dir)?;
        let owner = owner_of(&data)?;
        sweep(&owner).await;
        let cli = find_cli(config, &data, &owner).await?;
        let (environment, model) = environment(config, data.join("agents")).await?;
        let cgroups = detect_cgroups(&owner);
        let launcher = ClaudeLauncher::new(ClaudeConfig {
            program: cli.program.clone(),
            environment,
            gateway: None,
            setting_sources: config.setting_sources.clone(),
            cgroups: cgroups.clone(),
            group_limits: CgroupLimits::default(),
            limits: Limits::default(),
            owner,
        });
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let settings =
            Settings { max_agents: config.max_agents, max_pending: config.max_pending, drain: config.drain };
        let store = Arc::new(MemoryStore::default());
        let engine = Engine::start(settings, store, Arc::new(launcher), Arc::clone(&clock));
        let state = Arc::new(state(config, address, &engine, clock)?);
        Ok(Self { cli, engine, state, model, cgroups })
    }
}

fn prepare_data_dir(path: &Path) -> anyhow::Result<PathBuf> {
    let fault =
        || format!("STORAGE_DATA_DIR={}: the folder cannot be made: choose one that can", path.display());
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

async fn sweep(owner: &Owner) {
    let report = process::sweep(owner).await;
    if report.processes_left > 0 {
        tracing::error!(
            processes_left = report.processes_left,
            "processes of an earlier server could not be ended"
        );
    } else if report.processes_killed > 0 {
        tracing::warn!(
            processes_killed = report.processes_killed,
            "processes of an earlier server were ended"
        );
    }
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

async fn find_cli(config: &Config, data: &Path, owner: &Owner) -> anyhow::Result<Cli> {
    let executable = std::env::current_exe().ok();
    let near: Vec<PathBuf> = executable.into_iter().chain(std::env::current_dir().ok()).collect();
    let search_path = std::env::var_os("PATH").unwrap_or_default();
    let program = locate(config.cli_path.as_deref(), &near, &search_path)?;
    // No principal has a name that begins with a dot.
    let home = data.join("agents").join(".probe");
    make_folder(&home).with_context(|| format!("{} cannot be made", home.display()))?;
    Ok(probe(program, &home, owner).await?)
}

async fn environment(
    config: &Config,
    agents: PathBuf,
) -> anyhow::Result<(Environment, Option<ScriptedModel>)> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if let Some(credential) = config.credential.clone() {
        return Ok((Environment { credential, base_url: config.base_url.clone(), agents, path }, None));
    }
    let model =
        ScriptedModel::start(Options::default()).await.context("the scripted model cannot be started")?;
    let credential = Credential::ApiKey(SecretString::from("demo"));
    Ok((Environment { credential, base_url: Some(model.base_url()), agents, path }, Some(model)))
}

fn state(
    config: &Config,
    address: SocketAddr,
    engine: &Engine,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<AppState> {
    let api_key = config.api_key.as_ref().map(ApiKey::new);
    let hosts = if api_key.is_some() || !address.ip().is_loopback() {
        HostPolicy::Any
    } else {
        let name = config.public_url.as_deref().and_then(|url| url.split_once("://"));
        HostPolicy::Local(
            name.and_then(|(_, host)| host.split(':').next()).map(str::to_owned).into_iter().collect(),
        )
    };
    Ok(AppState {
        engine: engine.handle(),
        clock,
        defaults: config.defaults.clone(),
        roots: WorkspaceRoots::resolve_all(&config.workspace_roots, &config.data_dir.join("agents"))
            .context("WORKSPACE_ROOTS cannot be used")?,
        api_key,
        hosts,
        public_websocket_base: config.public_url.as_deref().map(|url| url.replacen("http", "ws", 1)),
        version: env!("CARGO_PKG_VERSION"),
        started: Instant::now(),
        closing: CancellationToken::new(),
        streams: TaskTracker::new(),
    })
}

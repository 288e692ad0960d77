//! Configuration: layers are gathered first, then resolved and cross-checked. All faults are reported at once.

mod agents;
mod auth;
mod dot_env;
mod file;
mod folders;
mod layers;
mod names;
mod policy;
pub(crate) mod reference;
mod storage;
mod tasks;
mod texts;
mod transport;
mod variables;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use agent::claude::{Credential, locate};
use domain::InstanceLabel;
use http_api::{CallerPolicy, Loopback, TaskDefaults};
use secrecy::SecretString;
use store::Retention;

use self::agents::AgentLife;
pub(crate) use self::auth::AuthSettings;
pub(crate) use self::folders::{data_dir, keeps_in_redis, keys_file};
pub(crate) use self::layers::{Layers, Origin};
pub(crate) use self::storage::{Storage, Sync};
use self::texts::{
    address, gateway_use, log_format, log_level, roots, secret, setting_sources, web_origin, web_url,
};
pub(crate) use self::transport::Transport;
pub(crate) use self::variables::without_password;
use self::variables::{Faults, Reader};
use crate::cli::ServeArguments;

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// When agents reach the model API through a gateway, which keeps the key from them and sees until when it is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GatewayUse {
    /// When the API is not Anthropic's own: the CLI treats that one differently under another name.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// Everything that can be set, resolved.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) host: IpAddr,
    pub(crate) port: u16,
    /// How clients reach the server.
    pub(crate) transport: Transport,
    pub(crate) workers: usize,
    pub(crate) log_level: String,
    pub(crate) log_format: Option<LogFormat>,
    /// How callers show who they are; `None` when they need not.
    pub(crate) auth: Option<AuthSettings>,
    /// Base of the URLs that clients are given: `http://…` or `https://…`, without a path.
    pub(crate) public_url: Option<String>,
    /// `None` in demo mode.
    pub(crate) credential: Option<Credential>,
    pub(crate) base_url: Option<String>,
    /// Whether agents reach the model API through a gateway of ours.
    pub(crate) gateway: GatewayUse,
    pub(crate) cli_path: Option<PathBuf>,
    pub(crate) setting_sources: Vec<String>,
    pub(crate) defaults: TaskDefaults,
    /// What callers may ask for.
    pub(crate) policy: CallerPolicy,
    pub(crate) max_agents: usize,
    pub(crate) max_pending: usize,
    pub(crate) drain: Duration,
    pub(crate) agent_life: AgentLife,
    pub(crate) storage: Storage,
    /// What tasks can ask for.
    pub(crate) labels: BTreeSet<InstanceLabel>,
    pub(crate) retention: Retention,
    pub(crate) data_dir: PathBuf,
    /// The agents' homes and conversations.
    pub(crate) agents_dir: PathBuf,
    pub(crate) workspace_roots: Vec<PathBuf>,
    /// How often a caller may call.
    pub(crate) rate_limit: RateLimitSettings,
    /// Where metrics are served; `None` when they are not.
    pub(crate) monitoring: Option<Monitoring>,
    /// Whether requests and tasks are traced.
    pub(crate) traces: bool,
    /// What is probably not meant, a line each.
    pub(crate) warnings: Vec<String>,
}

impl Config {
    /// What holds for this process.
    ///
    /// # Errors
    /// Every fault of every layer, a line each.
    pub(crate) fn load(arguments: &ServeArguments) -> Result<Self, Vec<String>> {
        Self::resolve(&Layers::load(arguments), arguments.demo)
    }

    /// Makes sense of what the layers say.
    ///
    /// # Errors
    /// Every fault, a line each; those of the layers too.
    pub(crate) fn resolve(layers: &Layers, demo: bool) -> Result<Self, Vec<String>> {
        let (config, mut faults) = Self::judge(layers, demo);
        config.check_cli(&mut Reader { layers, faults: &mut faults });
        faults.into_result(config)
    }

    /// The same, for who looks at the agents' program by itself.
    ///
    /// # Errors
    /// Every fault but that one.
    pub(crate) fn resolve_but_cli(layers: &Layers, demo: bool) -> Result<Self, Vec<String>> {
        let (config, faults) = Self::judge(layers, demo);
        faults.into_result(config)
    }

    fn judge(layers: &Layers, demo: bool) -> (Self, Faults) {
        let mut faults = Faults::default();
        layers.faults().iter().for_each(|fault| faults.add(fault.clone()));
        let mut read = Reader { layers, faults: &mut faults };
        let mut config = Self::read(&mut read, demo);
        config.check_exposure(&mut read);
        config.check_gateway(&mut read);
        config.check_limits(&mut read);
        config.transport.check(&mut read, config.auth.is_some());
        let misplaced = layers.misplaced();
        config.warnings.extend(misplaced.map(|(name, origin)| {
            format!("{name} ({origin}) is without effect: it is read from the environment only")
        }));
        for name in layers.asked().iter().filter(|name| reference::find(name).is_none()) {
            faults.add(format!("{name} is read and not in the table of variables: add it there"));
        }
        (config, faults)
    }

    fn read(read: &mut Reader<'_>, demo: bool) -> Self {
        Self {
            host: read.value("SERVER_HOST", IpAddr::V4(Ipv4Addr::LOCALHOST), address),
            port: read.count("SERVER_PORT", 8000),
            transport: Transport::read(read),
            workers: read.count("SERVER_WORKERS", cores()),
            log_level: read.value("SERVER_LOG_LEVEL", "INFO".to_owned(), log_level),
            log_format: read.optional("MONITORING_LOGGING_FORMAT", log_format),
            auth: AuthSettings::read(read),
            public_url: read.optional("SERVER_PUBLIC_URL", web_origin),
            credential: if demo { None } else { read_credential(read) },
            base_url: read.optional("CLAUDE_BASE_URL", web_url),
            gateway: read.value("CLAUDE_GATEWAY", GatewayUse::Auto, gateway_use),
            cli_path: read.optional("CLAUDE_CLI_PATH", |text| Some(text.into())),
            setting_sources: read.value("AGENT_SETTING_SOURCES", vec![], setting_sources),
            policy: policy::read_policy(read),
            defaults: tasks::read_defaults(read),
            max_agents: read.count("SESSION_MAX_CONCURRENT", 10),
            max_pending: read.count("TASK_MAX_QUEUE_SIZE", 100),
            drain: Duration::from_secs(read.count("SERVER_DRAIN_SECONDS", 0)),
            agent_life: AgentLife::read(read),
            storage: storage::read_storage(read),
            labels: storage::read_labels(read),
            retention: storage::read_retention(read),
            data_dir: folders::read_data_dir(read),
            agents_dir: folders::read_agents_dir(read),
            workspace_roots: read.value("WORKSPACE_ROOTS", vec![".".into()], roots),
            rate_limit: RateLimitSettings::read(read),
            monitoring: Monitoring::read(read),
            traces: traces_are_wanted(read.layers),
            warnings: read.layers.warnings().to_vec(),
        }
    }

    /// Opening the server to the network without authentication has to be meant.
    fn check_exposure(&self, read: &mut Reader<'_>) {
        let is_exposed = self.transport.tcp && !self.host.is_loopback();
        if is_exposed && self.auth.is_none() && !self.transport.allow_insecure {
            let fault = format!(
                "SERVER_HOST={}{} opens the server to the network without authentication: set API_AUTH_ENABLED=true \
                 and API_API_KEY, or SERVER_ALLOW_INSECURE=true if that is meant",
                self.host,
                read.origin("SERVER_HOST")
            );
            read.faults.add(fault);
        }
    }

    /// Who asks for the gateway counts on it.
    fn check_gateway(&self, read: &mut Reader<'_>) {
        if self.gateway == GatewayUse::On && matches!(self.credential, Some(Credential::OauthToken(_))) {
            let wrong = "cannot keep CLAUDE_CODE_OAUTH_TOKEN from agents, since their program has to have it: set \
                         CLAUDE_API_KEY in its place, or leave CLAUDE_GATEWAY out";
            read.refuse("CLAUDE_GATEWAY", wrong);
        }
    }

    /// A program that was named has to be there.
    fn check_cli(&self, read: &mut Reader<'_>) {
        let is_missing = |path: &Path| locate(Some(path), &[], OsStr::new("")).is_err();
        if self.cli_path.as_deref().is_some_and(is_missing) {
            let wrong = "is not an executable file: correct it, or leave it out to use the pinned CLI";
            read.refuse("CLAUDE_CLI_PATH", wrong);
        }
    }

    /// Limits and ports that cannot be had together.
    fn check_limits(&self, read: &mut Reader<'_>) {
        if self.agent_life.prewarm > self.max_agents {
            let most = self.max_agents;
            read.refuse(
                "SESSION_PREWARM",
                &format!("must not exceed SESSION_MAX_CONCURRENT, which is {most}"),
            );
        }
        let is_shared = matches!(self.storage, Storage::Redis(_));
        if !is_shared && read.text("STORAGE_AGENTS_DIR").is_some() {
            // Backups copy the data folder.
            read.refuse(
                "STORAGE_AGENTS_DIR",
                "is for servers that share Redis: set STORAGE_TYPE=redis, or leave it out",
            );
        }
        let metrics = self.monitoring.filter(|metrics| metrics.is_wanted);
        let is_same = |port| self.transport.tcp && port == self.port && port != 0;
        if metrics.is_some_and(|metrics| is_same(metrics.port)) {
            let wrong = "is SERVER_PORT too: choose another port, or set MONITORING_PROMETHEUS_ENABLED=false";
            read.refuse("MONITORING_PROMETHEUS_PORT", wrong);
        }
    }
}

/// Everything else about traces is read by who sends them.
fn traces_are_wanted(layers: &Layers) -> bool {
    let is_disabled = layers.in_environment(reference::traces::DISABLED);
    reference::traces::ENDPOINTS.iter().any(|name| layers.in_environment(name).is_some())
        && !is_disabled.is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

/// How often a caller may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RateLimitSettings {
    /// `None` for as often as it likes.
    pub(crate) per_minute: Option<NonZeroU32>,
    pub(crate) loopback: Loopback,
}

impl RateLimitSettings {
    fn read(read: &mut Reader<'_>) -> Self {
        const USUAL: NonZeroU32 = NonZeroU32::MIN.saturating_add(99);
        let names = ["API_RATE_LIMIT_ENABLED", "API_RATE_LIMIT_PER_MINUTE"];
        // Whoever tries the server out on this machine, and asked for no limit, has none.
        let is_asked_for = names.iter().any(|name| read.text(name).is_some());
        let loopback = if is_asked_for { Loopback::Limited } else { Loopback::Spared };
        let per_minute = read.count("API_RATE_LIMIT_PER_MINUTE", USUAL.get());
        let per_minute = NonZeroU32::new(per_minute).unwrap_or(USUAL);
        let per_minute = read.flag("API_RATE_LIMIT_ENABLED", true).then_some(per_minute);
        Self { per_minute, loopback }
    }
}

/// The port of the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Monitoring {
    pub(crate) port: u16,
    /// Whether it was asked for by number.
    pub(crate) is_wanted: bool,
}

impl Monitoring {
    fn read(read: &mut Reader<'_>) -> Option<Self> {
        let port = read.count("MONITORING_PROMETHEUS_PORT", 9090);
        let is_wanted = read.text("MONITORING_PROMETHEUS_PORT").is_some();
        read.flag("MONITORING_PROMETHEUS_ENABLED", true).then_some(Self { port, is_wanted })
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

type MadeOf = fn(SecretString) -> Credential;

/// Variables that hold a credential of the model API, and what is made of it; the first that is set counts.
const CREDENTIALS: [(&str, MadeOf); 4] = [
    ("CLAUDE_API_KEY", Credential::ApiKey),
    ("ANTHROPIC_API_KEY", Credential::ApiKey),
    ("ANTHROPIC_AUTH_TOKEN", Credential::AuthToken),
    ("CLAUDE_CODE_OAUTH_TOKEN", Credential::OauthToken),
];

/// The variable that the credential is taken from.
pub(crate) fn credential_variable(layers: &Layers) -> Option<&'static str> {
    CREDENTIALS.iter().map(|(name, _)| *name).find(|name| layers.get(name).is_some())
}

fn read_credential(read: &mut Reader<'_>) -> Option<Credential> {
    let found = CREDENTIALS.map(|(name, made)| read.optional(name, secret).map(made));
    if !CREDENTIALS.iter().any(|(name, _)| read.layers.is_meant(name)) {
        read.faults.add(
            "CLAUDE_API_KEY is not set: set it to your key, or start with --demo to try without one".into(),
        );
    }
    found.into_iter().flatten().next()
}

#[cfg(test)]
mod tests;

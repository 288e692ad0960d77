//! Configuration: variables are read first, then resolved and cross-checked. All faults are reported at once.

mod agents;
mod auth;
mod folders;
mod policy;
mod storage;
mod tasks;
mod variables;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use agent::claude::Credential;
use http_api::{CallerPolicy, Loopback, TaskDefaults};
use secrecy::SecretString;
use store::Retention;

use self::agents::AgentLife;
pub(crate) use self::auth::AuthSettings;
pub(crate) use self::folders::{data_dir, keys_file};
pub(crate) use self::storage::{Storage, Sync};
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
    /// Always, unless an OAuth token is used.
    On,
    /// Never.
    Off,
}

/// Everything that can be set, resolved.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) host: IpAddr,
    pub(crate) port: u16,
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
    pub(crate) retention: Retention,
    pub(crate) data_dir: PathBuf,
    pub(crate) workspace_roots: Vec<PathBuf>,
    /// How often a caller may call.
    pub(crate) rate_limit: RateLimitSettings,
    /// Where metrics are served; `None` when they are not.
    pub(crate) monitoring: Option<Monitoring>,
    /// Variables that are set and have no effect in this version.
    pub(crate) without_effect: Vec<&'static str>,
}

/// Variables of the contract that this version does not act on yet.
const WITHOUT_EFFECT: [&str; 5] = [
    "STORAGE_REDIS_HOST",
    "STORAGE_REDIS_PORT",
    "STORAGE_REDIS_DB",
    "STORAGE_REDIS_PASSWORD",
    "STORAGE_REDIS_URL",
];

impl Config {
    /// Reads the process's environment, over the `.env` file of the current folder.
    ///
    /// # Errors
    /// Every fault, a line each.
    pub(crate) fn load(arguments: &ServeArguments) -> Result<Self, Vec<String>> {
        Self::resolve(arguments, variables::load()?)
    }

    fn resolve(
        arguments: &ServeArguments,
        mut variables: HashMap<String, String>,
    ) -> Result<Self, Vec<String>> {
        if let Some(host) = &arguments.host {
            variables.insert("SERVER_HOST".into(), host.clone());
        }
        if let Some(port) = arguments.port {
            variables.insert("SERVER_PORT".into(), port.to_string());
        }
        let mut faults = Faults::default();
        let mut read = Reader { variables: &variables, faults: &mut faults };
        let defaults = tasks::read_defaults(&mut read);
        let config = Self {
            host: read.value(
                "SERVER_HOST",
                IpAddr::V4(Ipv4Addr::LOCALHOST),
                "an IP address or localhost",
                address,
            ),
            port: read.value("SERVER_PORT", 8000, "a port from 0 to 65535", |text| text.parse().ok()),
            workers: read.value("SERVER_WORKERS", cores(), "a whole number from 1 to 512", |text| {
                text.parse().ok().filter(|workers| (1..=512).contains(workers))
            }),
            log_level: read.value(
                "SERVER_LOG_LEVEL",
                "INFO".to_owned(),
                "one of TRACE, DEBUG, INFO, WARN, WARNING, ERROR, CRITICAL",
                log_level,
            ),
            log_format: read.optional("MONITORING_LOGGING_FORMAT", "json or text", log_format),
            auth: AuthSettings::read(&mut read),
            public_url: read.optional(
                "SERVER_PUBLIC_URL",
                "a URL such as https://agents.example.com",
                web_origin,
            ),
            credential: if arguments.demo { None } else { read_credential(&mut read) },
            base_url: read.optional("CLAUDE_BASE_URL", "a URL such as https://gateway.example.com", web_url),
            gateway: read.value("CLAUDE_GATEWAY", GatewayUse::Auto, "one of auto, on, off", gateway_use),
            cli_path: read.optional("CLAUDE_CLI_PATH", "a path", |text| Some(text.into())),
            setting_sources: read.value(
                "AGENT_SETTING_SOURCES",
                vec![],
                "a list of user, project, local",
                setting_sources,
            ),
            policy: policy::read_policy(&mut read, defaults.permission_mode),
            defaults,
            max_agents: read.count("SESSION_MAX_CONCURRENT", 10, 1, 10_000),
            max_pending: read.count("TASK_MAX_QUEUE_SIZE", 100, 1, 1_000_000),
            drain: Duration::from_secs(read.count("SERVER_DRAIN_SECONDS", 0, 0, 86_400)),
            agent_life: AgentLife::read(&mut read),
            storage: storage::read_storage(&mut read),
            retention: storage::read_retention(&mut read),
            data_dir: folders::read_data_dir(&mut read),
            workspace_roots: read.value(
                "WORKSPACE_ROOTS",
                vec![".".into()],
                "folders that exist, separated by colons",
                roots,
            ),
            rate_limit: RateLimitSettings::read(&mut read),
            monitoring: Monitoring::read(&mut read),
            without_effect: WITHOUT_EFFECT.into_iter().filter(|name| variables.contains_key(*name)).collect(),
        };
        config.check_exposure(&mut Reader { variables: &variables, faults: &mut faults });
        faults.into_result(config)
    }

    /// Opening the server to the network without authentication has to be meant.
    fn check_exposure(&self, read: &mut Reader<'_>) {
        let insecure = read.flag("SERVER_ALLOW_INSECURE", false);
        if !self.host.is_loopback() && self.auth.is_none() && !insecure {
            read.faults.add(format!(
                "SERVER_HOST={} opens the server to the network without authentication: set API_AUTH_ENABLED=true and \
                 API_API_KEY, or SERVER_ALLOW_INSECURE=true if that is meant",
                self.host
            ));
        }
    }
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
        let per_minute = read
            .value("API_RATE_LIMIT_PER_MINUTE", USUAL, "a whole number above 0", |text| text.parse().ok());
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
        let port = read
            .value("MONITORING_PROMETHEUS_PORT", 9090, "a port from 0 to 65535", |text| text.parse().ok());
        let is_wanted = read.text("MONITORING_PROMETHEUS_PORT").is_some();
        read.flag("MONITORING_PROMETHEUS_ENABLED", true).then_some(Self { port, is_wanted })
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn read_credential(read: &mut Reader<'_>) -> Option<Credential> {
    let secret = |name: &str| read.text(name).map(SecretString::from);
    let credential = secret("CLAUDE_API_KEY")
        .or_else(|| secret("ANTHROPIC_API_KEY"))
        .map(Credential::ApiKey)
        .or_else(|| secret("ANTHROPIC_AUTH_TOKEN").map(Credential::AuthToken))
        .or_else(|| secret("CLAUDE_CODE_OAUTH_TOKEN").map(Credential::OauthToken));
    if credential.is_none() {
        read.faults.add(
            "CLAUDE_API_KEY is not set: set it to your key, or start with --demo to try without one".into(),
        );
    }
    credential
}

fn address(text: &str) -> Option<IpAddr> {
    match text {
        "localhost" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        "*" => Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        _ => text.trim_matches(['[', ']']).parse().ok(),
    }
}

fn log_level(text: &str) -> Option<String> {
    let level = text.to_ascii_uppercase();
    match level.as_str() {
        "TRACE" | "DEBUG" | "INFO" | "WARN" | "ERROR" => Some(level),
        // Python's words, which existing configurations have.
        "WARNING" => Some("WARN".into()),
        "CRITICAL" => Some("ERROR".into()),
        _ => None,
    }
}

fn log_format(text: &str) -> Option<LogFormat> {
    match text {
        "json" => Some(LogFormat::Json),
        "text" => Some(LogFormat::Text),
        _ => None,
    }
}

fn gateway_use(text: &str) -> Option<GatewayUse> {
    match text {
        "auto" => Some(GatewayUse::Auto),
        "on" => Some(GatewayUse::On),
        "off" => Some(GatewayUse::Off),
        _ => None,
    }
}

fn web_url(text: &str) -> Option<String> {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"))?;
    let fits = !rest.is_empty() && !text.chars().any(|c| c.is_whitespace() || c.is_control());
    fits.then(|| text.trim_end_matches('/').to_owned())
}

fn web_origin(text: &str) -> Option<String> {
    web_url(text).filter(|url| url.matches('/').count() == 2 && !url.contains(['?', '#', '@']))
}

fn setting_sources(text: &str) -> Option<Vec<String>> {
    variables::list(text).filter(|sources| {
        sources.iter().all(|source| matches!(source.as_str(), "user" | "project" | "local"))
    })
}

fn roots(text: &str) -> Option<Vec<PathBuf>> {
    let roots: Vec<PathBuf> = text.split(':').filter(|root| !root.is_empty()).map(PathBuf::from).collect();
    (!roots.is_empty() && roots.iter().all(|root| root.is_dir())).then_some(roots)
}

#[cfg(test)]
mod tests;

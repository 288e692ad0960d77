//! The agent's environment: made from nothing, so that no secret of the server reaches it (protocol section 2.3).

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use domain::Principal;
use secrecy::{ExposeSecret, SecretString};

use crate::ModelEndpoint;

/// How the agent proves to the model API who pays.
#[derive(Debug, Clone)]
pub enum Credential {
    /// An API key (`ANTHROPIC_API_KEY`).
    ApiKey(SecretString),
    /// A bearer token for a gateway (`ANTHROPIC_AUTH_TOKEN`).
    AuthToken(SecretString),
    /// A long-lived token of a subscription (`CLAUDE_CODE_OAUTH_TOKEN`).
    OauthToken(SecretString),
}

impl Credential {
    fn variable(&self) -> (&'static str, &SecretString) {
        match self {
            Self::ApiKey(secret) => ("ANTHROPIC_API_KEY", secret),
            Self::AuthToken(secret) => ("ANTHROPIC_AUTH_TOKEN", secret),
            Self::OauthToken(secret) => ("CLAUDE_CODE_OAUTH_TOKEN", secret),
        }
    }
}

/// The folders that agents of one principal use instead of the server's home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AgentFolders {
    home: PathBuf,
    config: PathBuf,
    temporary: PathBuf,
    parking: PathBuf,
}

impl AgentFolders {
    /// Those of a principal, which need not be there yet. Its name is a safe name for a folder.
    pub(super) fn of(principal: &Principal, agents: &Path) -> Self {
        let root = agents.join(principal.as_str());
        Self {
            home: root.join("home"),
            config: root.join("config"),
            temporary: root.join("tmp"),
            parking: root.join("parking"),
        }
    }

    /// Makes them, readable by the server's user only.
    pub(super) async fn create(&self) -> std::io::Result<()> {
        for folder in [&self.home, &self.config, &self.temporary, &self.parking] {
            tokio::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).await?;
        }
        Ok(())
    }

    /// The CLI's config folder, with its transcripts.
    pub(super) fn config(&self) -> &Path {
        &self.config
    }

    /// The CLI's temporary folder, with the outputs of background tasks.
    pub(super) fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// Where agents wait that have no folder yet. Nothing is in it.
    pub(super) fn parking(&self) -> &Path {
        &self.parking
    }
}

/// Everything that decides an agent's environment.
#[derive(Debug, Clone)]
pub struct Environment {
    /// Who pays.
    pub credential: Credential,
    /// The model API, when it is not the CLI's default.
    pub base_url: Option<String>,
    /// Where agents keep their files: each principal has a folder of its own in it, made when it is first needed.
    pub agents: PathBuf,
    /// Where agents find programs.
    pub path: OsString,
}

/// What one agent's environment depends on besides.
pub(super) struct Particulars<'a> {
    pub(super) folders: &'a AgentFolders,
    pub(super) working_directory: &'a Path,
    /// Its way to the model API, which then is all that it knows of it.
    pub(super) endpoint: Option<&'a dyn ModelEndpoint>,
}

/// Says no to everything that is not the task: updates, telemetry, error reports, feature downloads.
const QUIET: [&str; 4] = [
    "DISABLE_AUTOUPDATER",
    "DISABLE_TELEMETRY",
    "DISABLE_ERROR_REPORTING",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
];

impl Environment {
    /// The variables, complete.
    pub(super) fn variables(&self, agent: &Particulars<'_>) -> Vec<(OsString, OsString)> {
        let mut variables: Vec<(OsString, OsString)> = Vec::new();
        let mut set = |name: &str, value: OsString| variables.push((name.into(), value));
        set("PATH", self.path.clone());
        set("HOME", agent.folders.home.clone().into());
        set("PWD", agent.working_directory.into());
        set("LANG", "C.UTF-8".into());
        set("SHELL", "/bin/bash".into());
        set("CLAUDE_CONFIG_DIR", agent.folders.config.clone().into());
        set("CLAUDE_CODE_TMPDIR", agent.folders.temporary.clone().into());
        set("CLAUDE_CODE_ENTRYPOINT", "sdk-rs".into());
        // Without it the CLI does not say when it is idle, and some failures to start reach only stderr.
        set("CLAUDE_CODE_SDK_READS_SESSION_STATE", "1".into());
        set("CLAUDE_CODE_STARTUP_FAILURE_RESULTS", "1".into());
        for name in QUIET {
            set(name, "1".into());
        }
        self.api(agent.endpoint, set);
        variables
    }

    fn api(&self, endpoint: Option<&dyn ModelEndpoint>, mut set: impl FnMut(&str, OsString)) {
        if let Some(endpoint) = endpoint {
            set("ANTHROPIC_API_KEY", endpoint.api_key().expose_secret().into());
            set("ANTHROPIC_BASE_URL", endpoint.base_url().into());
            return;
        }
        let (name, secret) = self.credential.variable();
        set(name, secret.expose_secret().into());
        if let Some(url) = &self.base_url {
            set("ANTHROPIC_BASE_URL", url.into());
        }
    }
}

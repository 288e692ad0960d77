//! The agent's environment: made from nothing, so that no secret of the server reaches it (protocol section 2.3).

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

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

/// The folders that agents of one tenant use instead of the server's home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentFolders {
    home: PathBuf,
    config: PathBuf,
    temporary: PathBuf,
}

impl AgentFolders {
    /// Makes them below `root`, readable by the server's user only.
    ///
    /// # Errors
    /// When a folder cannot be made.
    pub fn create(root: &Path) -> std::io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        let folders =
            Self { home: root.join("home"), config: root.join("config"), temporary: root.join("tmp") };
        for folder in [&folders.home, &folders.config, &folders.temporary] {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        Ok(folders)
    }
}

impl AgentFolders {
    /// The CLI's config folder, with its transcripts.
    pub(super) fn config(&self) -> &Path {
        &self.config
    }
}

/// Everything that decides an agent's environment.
#[derive(Debug, Clone)]
pub struct Environment {
    /// Who pays.
    pub credential: Credential,
    /// The model API, when it is not the CLI's default.
    pub base_url: Option<String>,
    /// Where the agent keeps its files.
    pub folders: AgentFolders,
    /// Where it finds programs.
    pub path: OsString,
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
    pub(crate) fn variables(&self, working_directory: &Path) -> Vec<(OsString, OsString)> {
        let mut variables: Vec<(OsString, OsString)> = Vec::new();
        let mut set = |name: &str, value: OsString| variables.push((name.into(), value));
        set("PATH", self.path.clone());
        set("HOME", self.folders.home.clone().into());
        set("PWD", working_directory.into());
        set("LANG", "C.UTF-8".into());
        set("SHELL", "/bin/bash".into());
        set("CLAUDE_CONFIG_DIR", self.folders.config.clone().into());
        set("CLAUDE_CODE_TMPDIR", self.folders.temporary.clone().into());
        set("CLAUDE_CODE_ENTRYPOINT", "sdk-rs".into());
        // Without it the CLI does not say when it is idle, and some failures to start reach only stderr.
        set("CLAUDE_CODE_SDK_READS_SESSION_STATE", "1".into());
        set("CLAUDE_CODE_STARTUP_FAILURE_RESULTS", "1".into());
        for name in QUIET {
            set(name, "1".into());
        }
        let (name, secret) = self.credential.variable();
        set(name, secret.expose_secret().into());
        if let Some(url) = &self.base_url {
            set("ANTHROPIC_BASE_URL", url.into());
        }
        variables
    }
}

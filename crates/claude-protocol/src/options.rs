//! What a CLI process is started with, in the official SDK's words (`ClaudeAgentOptions`), and the command line made
//! of it (protocol section 2). Every value that comes from outside is one token with its flag, so that no value can
//! become a flag. Long texts and secrets do not go here: see [`Initialize`](crate::Initialize).

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value, json};
use uuid::Uuid;

/// Which conversation the process carries on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Conversation {
    /// A new one; the CLI gives it an id.
    #[default]
    Fresh,
    /// A new one under this id, which must be unused.
    New(Uuid),
    /// The one with this id.
    Resume(Uuid),
    /// A copy of the one with the id `from`, which is left as it is.
    Fork {
        /// What is copied.
        from: Uuid,
        /// The copy's id; the CLI gives it one when it is left out.
        to: Option<Uuid>,
    },
    /// The newest one of the working directory, or a new one when there is none.
    Continue,
}

/// Which built-in tools exist for the agent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Tools {
    /// The CLI's own set.
    #[default]
    Default,
    /// These only; none when the list is empty.
    Only(Vec<String>),
}

/// Who is asked whether a tool may run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PermissionPrompts {
    /// We are, by `can_use_tool`.
    #[default]
    Host,
    /// A tool of an MCP server, `mcp__<server>__<tool>`.
    Tool(String),
    /// Nobody: what would have to be asked is denied at once.
    Nobody,
}

/// How much the model may think before it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thinking {
    /// As much as it finds right.
    Adaptive,
    /// Not at all, where the model knows that.
    Disabled,
    /// At most this many tokens.
    Tokens(u32),
}

impl Thinking {
    fn option(self) -> (&'static str, String) {
        match self {
            Self::Adaptive => ("thinking", "adaptive".to_owned()),
            Self::Disabled => ("thinking", "disabled".to_owned()),
            Self::Tokens(most) => ("max-thinking-tokens", most.to_string()),
        }
    }
}

/// An option that cannot be given to the CLI.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no option name: use lower-case letters, digits and single hyphens, without leading hyphens"
)]
pub struct InvalidOptionName(pub String);

/// What the process is started with. The default is the CLI as it is at a terminal, with us asked for permissions.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LaunchOptions {
    /// Which conversation.
    pub conversation: Conversation,
    /// With a resumed conversation: everything after the entry with this uuid is left out (section 12.4).
    pub resume_session_at: Option<Uuid>,
    /// Which built-in tools exist.
    pub tools: Tools,
    /// Tools or rules that run without asking. Not a filter.
    pub allowed_tools: Vec<String>,
    /// Tools that do not exist for this agent, or rules of calls that are denied.
    pub disallowed_tools: Vec<String>,
    /// Tools that ask first even where the permission mode would let them run.
    pub ask_tools: Vec<String>,
    /// The CLI's word for the permission mode; `None` for its default.
    pub permission_mode: Option<&'static str>,
    /// Who is asked.
    pub permission_prompts: PermissionPrompts,
    /// Whether the mode may later be set to `bypassPermissions`.
    pub allow_bypass_later: bool,
    /// Most model answers in a turn.
    pub max_turns: Option<u32>,
    /// Most that the process may cost, in US dollars. Overshoots by one call of the model.
    pub max_budget_usd: Option<f64>,
    /// Tokens that the model is told to make do with.
    pub task_budget_tokens: Option<u64>,
    /// Model name or alias.
    pub model: Option<String>,
    /// Models to go on with when the first is overloaded.
    pub fallback_models: Vec<String>,
    /// Beta features of the API.
    pub betas: Vec<String>,
    /// How much it may think.
    pub thinking: Option<Thinking>,
    /// `low` to `max`.
    pub effort: Option<String>,
    /// More folders to work in.
    pub add_dirs: Vec<PathBuf>,
    /// Settings above the user's own.
    pub settings: Map<String, Value>,
    /// Which settings files are read: `user`, `project`, `local`. Project settings run code of the repository.
    pub setting_sources: Vec<String>,
    /// Whether MCP servers of `.mcp.json` and of settings are left out.
    pub strict_mcp_config: bool,
    /// Folders of plugins.
    pub plugins: Vec<PathBuf>,
    /// Whether pieces of an answer are sent while it is written (`stream_event`).
    pub partial_messages: bool,
    /// Whether the runs of command hooks are reported.
    pub hook_events: bool,
    /// Whether accepted prompts are echoed.
    pub replay_user_messages: bool,
    /// Whether what is written to the transcript is also sent (`transcript_mirror`, section 12.6).
    pub session_mirror: bool,
    /// Whether the conversation is kept nowhere.
    pub ephemeral: bool,
    /// Whether nothing is set up before `initialize` has come, so that it can bring MCP servers and plugins.
    pub await_initialize: bool,
    /// Whether the process waits for `claim_session` to bind it to a folder (section 13.2).
    pub await_claim: bool,
    /// Further options of the CLI by name, without the leading hyphens.
    pub extra_arguments: BTreeMap<String, Option<String>>,
}

/// Collects arguments; a value always shares its token with the flag.
struct Arguments(Vec<String>);

impl Arguments {
    fn flag(&mut self, name: &str, wanted: bool) {
        if wanted {
            self.0.push(format!("--{name}"));
        }
    }

    fn value(&mut self, name: &str, value: &str) {
        self.0.push(format!("--{name}={value}"));
    }

    fn optional(&mut self, name: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.value(name, &value.to_string());
        }
    }

    fn list(&mut self, name: &str, values: &[String]) {
        if !values.is_empty() {
            self.value(name, &values.join(","));
        }
    }

    fn paths(&mut self, name: &str, paths: &[PathBuf]) {
        for path in paths {
            self.value(name, &path.to_string_lossy());
        }
    }
}

impl LaunchOptions {
    /// The arguments after the program's name.
    ///
    /// # Errors
    /// When the name of an extra argument could be taken for something else.
    pub fn arguments(&self) -> Result<Vec<String>, InvalidOptionName> {
        let mut arguments = Arguments(Vec::new());
        arguments.value("output-format", "stream-json");
        arguments.flag("verbose", true);
        arguments.value("input-format", "stream-json");
        self.conversation(&mut arguments);
        self.permissions(&mut arguments);
        self.model(&mut arguments);
        self.surroundings(&mut arguments);
        self.reports(&mut arguments);
        for (name, value) in &self.extra_arguments {
            check_name(name)?;
            match value {
                Some(value) => arguments.value(name, value),
                None => arguments.flag(name, true),
            }
        }
        Ok(arguments.0)
    }

    fn conversation(&self, arguments: &mut Arguments) {
        match self.conversation {
            Conversation::Fresh => {}
            Conversation::New(id) => arguments.value("session-id", &id.to_string()),
            Conversation::Resume(id) => arguments.value("resume", &id.to_string()),
            Conversation::Fork { from, to } => {
                arguments.value("resume", &from.to_string());
                arguments.flag("fork-session", true);
                arguments.optional("session-id", to);
            }
            Conversation::Continue => arguments.flag("continue", true),
        }
        arguments.optional("resume-session-at", self.resume_session_at);
        arguments.flag("no-session-persistence", self.ephemeral);
        arguments.flag("await-initialize", self.await_initialize);
        arguments.flag("await-claim", self.await_claim);
    }

    fn permissions(&self, arguments: &mut Arguments) {
        match &self.permission_prompts {
            PermissionPrompts::Host => arguments.value("permission-prompt-tool", "stdio"),
            PermissionPrompts::Tool(tool) => arguments.value("permission-prompt-tool", tool),
            PermissionPrompts::Nobody => arguments.value("permission-prompts", "none"),
        }
        arguments.optional("permission-mode", self.permission_mode);
        arguments.flag("allow-dangerously-skip-permissions", self.allow_bypass_later);
        if let Tools::Only(tools) = &self.tools {
            arguments.value("tools", &tools.join(","));
        }
        arguments.list("allowedTools", &self.allowed_tools);
        arguments.list("disallowedTools", &self.disallowed_tools);
    }

    fn model(&self, arguments: &mut Arguments) {
        arguments.optional("max-turns", self.max_turns);
        arguments.optional("max-budget-usd", self.max_budget_usd);
        arguments.optional("task-budget", self.task_budget_tokens);
        arguments.optional("model", self.model.as_ref());
        arguments.list("fallback-model", &self.fallback_models);
        arguments.list("betas", &self.betas);
        if let Some((name, value)) = self.thinking.map(Thinking::option) {
            arguments.value(name, &value);
        }
        arguments.optional("effort", self.effort.as_ref());
    }

    fn surroundings(&self, arguments: &mut Arguments) {
        arguments.value("setting-sources", &self.setting_sources.join(","));
        arguments.value("settings", &self.settings().to_string());
        arguments.flag("strict-mcp-config", self.strict_mcp_config);
        arguments.paths("add-dir", &self.add_dirs);
        arguments.paths("plugin-dir", &self.plugins);
    }

    fn reports(&self, arguments: &mut Arguments) {
        arguments.flag("include-partial-messages", self.partial_messages);
        arguments.flag("include-hook-events", self.hook_events);
        arguments.flag("replay-user-messages", self.replay_user_messages);
        arguments.flag("session-mirror", self.session_mirror);
    }

    /// The given settings and ours. Sessions of one user could otherwise send each other prompts (section 1, rule 14).
    fn settings(&self) -> Value {
        let mut settings = self.settings.clone();
        settings.insert("crossSessionInbound".to_owned(), json!("refuse"));
        if !self.ask_tools.is_empty() {
            let permissions = settings.entry("permissions").or_insert_with(|| json!({}));
            if !permissions.is_object() {
                *permissions = json!({});
            }
            if let Some(permissions) = permissions.as_object_mut() {
                let ask = permissions.entry("ask").or_insert_with(|| json!([]));
                let given = ask.as_array().cloned().unwrap_or_default();
                let ours = self.ask_tools.iter().map(|tool| json!(tool));
                *ask = given.into_iter().chain(ours).collect();
            }
        }
        Value::Object(settings)
    }
}

fn check_name(name: &str) -> Result<(), InvalidOptionName> {
    let word = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    if name.split('-').all(word) { Ok(()) } else { Err(InvalidOptionName(name.to_owned())) }
}

#[cfg(test)]
mod tests;

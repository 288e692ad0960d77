//! Notices: hooks, banners, and changes of what a user interface shows (protocol section 6). What the section marks `[S]`
//! was never recorded: those fields are from the public types of the Agent SDK.

use crate::lenient::message;

message! {
    /// A hook command started, or goes on, or ended. Fields of a later stage are empty before it.
    pub struct Hook {
        /// This run of the hook.
        pub hook_id: String,
        /// Its name, as `SessionStart:startup`.
        pub hook_name: String,
        /// What it was run for: `SessionStart`, `PreToolUse`, ...
        pub hook_event: String,
        /// What it wrote.
        pub output: String,
        /// What it wrote to its standard output.
        pub stdout: String,
        /// What it wrote to its standard error.
        pub stderr: String,
        /// Its exit code, once it has ended.
        pub exit_code: Option<i32>,
        /// `success`, `error` or `cancelled`, once it has ended.
        pub outcome: Option<String>,
    }

    /// A text for the user.
    pub struct Informational {
        /// The text.
        pub content: String,
        /// `info`, `notice`, `suggestion` or `warning`.
        pub level: String,
        /// What it is about, as `hook_callback_failed`.
        pub tag: Option<String>,
        /// The call that it is about.
        pub tool_use_id: Option<String>,
        /// Whether the turn ends here.
        pub prevent_continuation: bool,
        /// What became of the prompt that a hook judged.
        pub prompt_submit_outcome: Option<PromptSubmitOutcome>,
    }

    /// What became of a prompt that a hook judged.
    pub struct PromptSubmitOutcome {
        /// `blocked_by_hook`, ...
        pub kind: String,
        /// Whether the prompt stays in the conversation.
        pub prompt_kept: bool,
        /// The hook's reason.
        pub reason: Option<String>,
    }

    /// A short text that a user interface shows for a while.
    pub struct Notification {
        /// Replaces an earlier one of the same key.
        pub key: String,
        /// The text.
        pub text: String,
        /// `low`, `medium`, `high` or `immediate`.
        pub priority: String,
    }

    /// The conversation has another title.
    pub struct SessionTitleChanged {
        /// The title.
        pub title: String,
    }

    /// There are other commands now.
    pub struct CommandsChanged {
        /// All of them.
        pub commands: Vec<SlashCommand>,
    }

    /// A command that a prompt can name.
    pub struct SlashCommand {
        /// Its name, without the slash.
        pub name: String,
        /// What it does.
        pub description: String,
        /// What comes after its name.
        #[serde(rename = "argumentHint")]
        pub argument_hint: String,
        /// Its other names.
        pub aliases: Vec<String>,
    }

    /// What a user interface shows is out of date.
    pub struct UiInvalidate {
        /// `ui.render`.
        pub event: String,
    }

    /// A long control request of ours is at work.
    pub struct ControlRequestProgress {
        /// The request.
        pub request_id: String,
        /// `started`, ...
        pub status: String,
    }

    /// Files were uploaded.
    pub struct FilesPersisted {
        /// Those that were.
        pub files: Vec<PersistedFile>,
        /// Those that could not be.
        pub failed: Vec<PersistedFile>,
        /// When, as the CLI writes it.
        pub processed_at: String,
    }

    /// A file that was to be uploaded.
    pub struct PersistedFile {
        /// Its name.
        pub filename: String,
        /// Its id, when it was uploaded.
        pub file_id: Option<String>,
        /// Why it was not.
        pub error: Option<String>,
    }

    /// A command that needs no model wrote this.
    pub struct LocalCommandOutput {
        /// The text.
        pub content: String,
    }

    /// A question of an MCP server is settled.
    pub struct ElicitationComplete {
        /// The server.
        pub mcp_server_name: String,
        /// The question.
        pub elicitation_id: String,
    }

    /// Plugins are being installed.
    pub struct PluginInstall {
        /// `started` and `completed` of the whole; `installed` and `failed` of one.
        pub status: String,
        /// Which one.
        pub name: Option<String>,
        /// Why it failed.
        pub error: Option<String>,
    }

    /// The process is about to end.
    pub struct WorkerShuttingDown {
        /// Why: `host_exit`, `remote_control_disabled`, ...
        pub reason: String,
    }

    /// The model was given what it had noted earlier.
    pub struct MemoryRecall {
        /// `select` or `synthesize`.
        pub mode: String,
        /// The notes.
        pub memories: Vec<Memory>,
    }

    /// A note.
    pub struct Memory {
        /// Its file.
        pub path: String,
        /// `personal` or `team`.
        pub scope: String,
        /// Its text; left out when the file says it.
        pub content: Option<String>,
    }
}

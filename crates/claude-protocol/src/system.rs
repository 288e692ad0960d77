//! `system` lines by subtype (protocol section 6).

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::lenient::{Lenient, lenient, parse};
use crate::{
    ApiRetry, BackgroundTask, CommandsChanged, CompactBoundary, ControlRequestProgress, ElicitationComplete,
    FilesPersisted, Hook, Informational, Init, LocalCommandOutput, MemoryRecall, ModelFallback, ModelRefusal,
    Notification, PermissionDenied, PluginInstall, SessionTitleChanged, Status, TaskNotification,
    TaskProgress, TaskStarted, TaskUpdated, ThinkingTokens, UiInvalidate, WorkerShuttingDown,
};

/// A `system` line, by subtype.
#[derive(Debug)]
pub enum SystemFrame {
    /// A turn starts; says how the session is set up.
    Init(Box<Init>),
    /// What the CLI does, or that the permission mode changed.
    Status(Status),
    /// The session starts or stops working.
    SessionState(SessionState),
    /// A call of the model failed and will be repeated.
    ApiRetry(ApiRetry),
    /// Another model answers from now on.
    ModelFallback(ModelFallback),
    /// The model refused and another one answers.
    ModelRefusalFallback(ModelRefusal),
    /// The model refused and no other one answers.
    ModelRefusalNoFallback(ModelRefusal),
    /// A tool call was denied without asking us.
    PermissionDenied(PermissionDenied),
    /// A task started.
    TaskStarted(Box<TaskStarted>),
    /// A sub-agent goes on.
    TaskProgress(TaskProgress),
    /// Something about a task changed.
    TaskUpdated(TaskUpdated),
    /// A task ended.
    TaskNotification(TaskNotification),
    /// These tasks run besides the turn now.
    BackgroundTasks(Vec<BackgroundTask>),
    /// The conversation was shortened.
    CompactBoundary(CompactBoundary),
    /// A hook command started.
    HookStarted(Hook),
    /// A hook command goes on.
    HookProgress(Hook),
    /// A hook command ended.
    HookResponse(Hook),
    /// A text for the user.
    Informational(Informational),
    /// A short text that a user interface shows for a while.
    Notification(Notification),
    /// How much the model has thought so far.
    ThinkingTokens(ThinkingTokens),
    /// The conversation has another title.
    SessionTitleChanged(SessionTitleChanged),
    /// There are other commands now.
    CommandsChanged(CommandsChanged),
    /// What a user interface shows is out of date.
    UiInvalidate(UiInvalidate),
    /// A long control request of ours is at work.
    ControlRequestProgress(ControlRequestProgress),
    /// Files were uploaded.
    FilesPersisted(FilesPersisted),
    /// A command that needs no model wrote something.
    LocalCommandOutput(LocalCommandOutput),
    /// A question of an MCP server is settled.
    ElicitationComplete(ElicitationComplete),
    /// Plugins are being installed.
    PluginInstall(PluginInstall),
    /// The process is about to end.
    WorkerShuttingDown(WorkerShuttingDown),
    /// The model was given what it had noted earlier.
    MemoryRecall(MemoryRecall),
    /// Any other subtype.
    Other {
        /// The subtype; empty when it has none.
        subtype: String,
    },
}

/// What the session does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// A turn runs.
    Running,
    /// Waits for our answer.
    RequiresAction,
    /// Waits for a prompt.
    Idle,
    /// A state that this version does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

impl Lenient for SessionState {
    fn read(raw: &RawValue) -> Self {
        serde_json::from_str(raw.get()).unwrap_or_default()
    }
}

#[derive(Deserialize)]
struct StateLine {
    #[serde(default, deserialize_with = "lenient")]
    state: SessionState,
}

#[derive(Deserialize)]
struct BackgroundLine<'a> {
    #[serde(borrow)]
    tasks: Vec<&'a RawValue>,
}

/// A list that is none is no list without tasks: an empty one says that the session may rest.
fn background_tasks(line: &[u8]) -> Option<Vec<BackgroundTask>> {
    let BackgroundLine { tasks } = serde_json::from_slice(line).ok()?;
    // A task that does not read runs all the same.
    Some(tasks.into_iter().map(BackgroundTask::read).collect())
}

impl SystemFrame {
    pub(crate) fn read(subtype: &str, line: &[u8]) -> Self {
        Self::known(subtype, line).unwrap_or_else(|| Self::Other { subtype: subtype.to_owned() })
    }

    fn known(subtype: &str, line: &[u8]) -> Option<Self> {
        match subtype {
            "init" => parse(line).map(Self::Init),
            "status" => parse(line).map(Self::Status),
            "session_state_changed" => parse(line).map(|StateLine { state }| Self::SessionState(state)),
            "api_retry" => parse(line).map(Self::ApiRetry),
            "model_fallback" => parse(line).map(Self::ModelFallback),
            "model_refusal_fallback" => parse(line).map(Self::ModelRefusalFallback),
            "model_refusal_no_fallback" => parse(line).map(Self::ModelRefusalNoFallback),
            "permission_denied" => parse(line).map(Self::PermissionDenied),
            "task_started" => parse(line).map(Self::TaskStarted),
            "task_progress" => parse(line).map(Self::TaskProgress),
            "task_updated" => parse(line).map(Self::TaskUpdated),
            "task_notification" => parse(line).map(Self::TaskNotification),
            "background_tasks_changed" => background_tasks(line).map(Self::BackgroundTasks),
            "compact_boundary" => parse(line).map(Self::CompactBoundary),
            "hook_started" => parse(line).map(Self::HookStarted),
            "hook_progress" => parse(line).map(Self::HookProgress),
            "hook_response" => parse(line).map(Self::HookResponse),
            "informational" => parse(line).map(Self::Informational),
            "notification" => parse(line).map(Self::Notification),
            "thinking_tokens" => parse(line).map(Self::ThinkingTokens),
            "session_title_changed" => parse(line).map(Self::SessionTitleChanged),
            "commands_changed" => parse(line).map(Self::CommandsChanged),
            "ui_invalidate" => parse(line).map(Self::UiInvalidate),
            "control_request_progress" => parse(line).map(Self::ControlRequestProgress),
            "files_persisted" => parse(line).map(Self::FilesPersisted),
            "local_command_output" => parse(line).map(Self::LocalCommandOutput),
            "elicitation_complete" => parse(line).map(Self::ElicitationComplete),
            "plugin_install" => parse(line).map(Self::PluginInstall),
            "worker_shutting_down" => parse(line).map(Self::WorkerShuttingDown),
            "memory_recall" => parse(line).map(Self::MemoryRecall),
            _ => None,
        }
    }

    /// The word on the wire.
    pub fn subtype(&self) -> &str {
        match self {
            Self::Init(_) => "init",
            Self::Status(_) => "status",
            Self::SessionState(_) => "session_state_changed",
            Self::ApiRetry(_) => "api_retry",
            Self::ModelFallback(_) => "model_fallback",
            Self::ModelRefusalFallback(_) => "model_refusal_fallback",
            Self::ModelRefusalNoFallback(_) => "model_refusal_no_fallback",
            Self::PermissionDenied(_) => "permission_denied",
            Self::TaskStarted(_) => "task_started",
            Self::TaskProgress(_) => "task_progress",
            Self::TaskUpdated(_) => "task_updated",
            Self::TaskNotification(_) => "task_notification",
            Self::BackgroundTasks(_) => "background_tasks_changed",
            Self::CompactBoundary(_) => "compact_boundary",
            Self::HookStarted(_) => "hook_started",
            Self::HookProgress(_) => "hook_progress",
            Self::HookResponse(_) => "hook_response",
            Self::Informational(_) => "informational",
            Self::Notification(_) => "notification",
            Self::ThinkingTokens(_) => "thinking_tokens",
            Self::SessionTitleChanged(_) => "session_title_changed",
            Self::CommandsChanged(_) => "commands_changed",
            Self::UiInvalidate(_) => "ui_invalidate",
            Self::ControlRequestProgress(_) => "control_request_progress",
            Self::FilesPersisted(_) => "files_persisted",
            Self::LocalCommandOutput(_) => "local_command_output",
            Self::ElicitationComplete(_) => "elicitation_complete",
            Self::PluginInstall(_) => "plugin_install",
            Self::WorkerShuttingDown(_) => "worker_shutting_down",
            Self::MemoryRecall(_) => "memory_recall",
            Self::Other { subtype } => subtype,
        }
    }
}

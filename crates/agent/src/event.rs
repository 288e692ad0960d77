//! What an agent says.

use std::path::PathBuf;
use std::time::Duration;

use domain::{InputDigest, Timestamp, TokenUsage};
use serde_json::value::RawValue;
use uuid::Uuid;

/// One thing that an agent said or did, in order.
#[derive(Debug)]
pub enum AgentEvent {
    /// It takes prompts.
    Ready,
    /// It runs again the turn that its last process did not end, because that was killed or the model API failed: it was
    /// told to by [`Opening::ResumeTurn`](crate::Opening::ResumeTurn). Comes before `Ready`; the turn's end names the prompt
    /// of then. Without it there was nothing to run again, and the agent waits for a prompt.
    TurnResumed,
    /// It did not become ready, and has to be stopped. The text says why.
    Unusable(String),
    /// Something for the task's event log.
    Said(Said),
    /// Counters of the running turn: model answers so far and tokens so far, of the main conversation.
    Counted {
        /// Model answers.
        turns: u64,
        /// Tokens.
        tokens: TokenUsage,
    },
    /// A call of the model failed and will be repeated by the agent itself.
    Retrying {
        /// HTTP status; `None` when there was no answer.
        status: Option<u16>,
        /// Which repetition comes now, from 1.
        attempt: u32,
        /// How long the agent waits before it.
        delay: Duration,
    },
    /// This many background tasks run now.
    Background {
        /// How many.
        open: usize,
    },
    /// It works.
    Busy,
    /// It waits for a prompt.
    Idle,
    /// The turn whose end follows failed because the model API refuses requests until then.
    RateLimited {
        /// When it takes requests again.
        until: Timestamp,
    },
    /// A tool call needs a permission that a person is to give. The turn's end follows.
    Asked(Box<Asked>),
    /// A turn ended.
    TurnEnded(TurnEnd),
    /// The prompt with this id will not be answered.
    PromptRefused(Uuid),
    /// The prompt with this id was dropped by an interrupt before its turn began. No turn's end will name it.
    PromptCancelled(Uuid),
    /// Its process is gone. The last event.
    Exited(Exit),
}

/// A tool call that needs a permission.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The call.
    pub tool_use_id: String,
    /// The tool.
    pub tool: String,
    /// Its input, as JSON.
    pub input: Box<RawValue>,
    /// Of the input.
    pub digest: InputDigest,
    /// The call in a line, for people.
    pub description: Option<String>,
    /// Why it has to be asked.
    pub reason: Option<String>,
}

/// A statement and who made it.
#[derive(Debug)]
pub struct Said {
    /// What was said.
    pub statement: Statement,
    /// The tool call of the sub-agent that said it; `None` for the main conversation.
    pub parent_tool_use_id: Option<String>,
}

/// What goes into a task's event log.
#[derive(Debug)]
pub enum Statement {
    /// The model's text.
    Text {
        /// The text.
        content: String,
        /// The model.
        model: String,
    },
    /// The model's thinking.
    Thinking {
        /// The text.
        content: String,
        /// The model.
        model: String,
    },
    /// Text that the CLI told the model, such as the marker of an interruption.
    User {
        /// The text.
        content: String,
    },
    /// A tool is called.
    ToolUse {
        /// The call.
        id: String,
        /// The tool.
        name: String,
        /// Its input, as JSON.
        input: Box<RawValue>,
    },
    /// A tool answered.
    ToolResult {
        /// The call.
        id: String,
        /// The tool; empty when the call was not seen.
        name: String,
        /// What the model reads, as text.
        content: String,
        /// The content's blocks, where it was more than a text.
        blocks: Option<Box<RawValue>>,
        /// Whether the tool failed or was refused.
        is_error: bool,
        /// The file that the tool says it changed.
        changed_file: Option<PathBuf>,
    },
    /// Anything else that the CLI reports, and whatever this version does not know.
    System {
        /// What it is about.
        subtype: String,
        /// The whole message.
        data: Box<RawValue>,
    },
}

/// Why a turn ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TurnEnding {
    /// The model finished.
    Completed,
    /// It was interrupted.
    Aborted,
    /// An error or a limit; the text is for people.
    Failed(String),
}

/// How the model API failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// HTTP status; `None` when there was no answer.
    pub status: Option<u16>,
    /// The API's word for it, such as `overloaded_error`, else the CLI's, such as `server_error`.
    pub kind: String,
}

/// The end of a turn.
#[derive(Debug)]
pub struct TurnEnd {
    /// The prompts that it answered. Empty for a turn that nobody sent, such as the follow-up of a background task.
    pub prompts: Vec<Uuid>,
    /// Why.
    pub ending: TurnEnding,
    /// The failure of the model API that ended it.
    pub api_error: Option<ApiError>,
    /// The final text.
    pub text: String,
    /// Model answers, as the CLI counts them.
    pub turns: u64,
    /// Tokens since the previous turn's end, sub-agents included; `None` when the CLI did not say.
    pub tokens: Option<TokenUsage>,
    /// Cost since the previous turn's end, in US dollars.
    pub cost_usd: f64,
    /// The CLI's word for the ending.
    pub subtype: String,
    /// The whole message.
    pub data: Box<RawValue>,
}

/// How an agent's process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// Exit code, unless a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// The last of what it wrote to its standard error.
    pub stderr_tail: String,
    /// Whether it ended because the conversation to resume is not there.
    pub conversation_lost: bool,
}

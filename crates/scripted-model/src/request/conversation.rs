//! Where a conversation stands: the human's prompts, and how far the last one has been answered.

use serde_json::Value;

use super::blocks::{Digest, MessageBlock, message_blocks};
use super::human_text;

/// A conversation, read from the messages alone.
#[derive(Debug, Default)]
pub(crate) struct Conversation {
    /// The human's last prompt.
    pub(crate) prompt: String,
    /// What the human said while that prompt was being answered.
    pub(crate) added: Vec<String>,
    /// The human's prompts before it.
    pub(crate) earlier: Vec<String>,
    /// How many responses followed the last prompt.
    pub(crate) step: usize,
    /// What the tools answered since the last prompt.
    pub(crate) tool_results: Vec<ToolResult>,
    /// The directory that the environment text names.
    pub(crate) working_directory: Option<String>,
    /// Whether the last message asks for a summary of the conversation.
    pub(crate) asks_for_summary: bool,
    /// A hash of the human's prompts up to and including the last one.
    pub(crate) key: u64,
}

/// What a tool answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ToolResult {
    pub(crate) is_error: bool,
    pub(crate) text: String,
}

impl Conversation {
    /// Reads the messages; `session` tells apart conversations that begin alike.
    pub(super) fn read(messages: &[Value], system: &str, session: &str) -> Self {
        let mut conversation = Self { working_directory: working_directory(system), ..Self::default() };
        let mut digest = Digest::default();
        digest.add_str(session);
        let mut answered = false;
        for message in messages {
            match message.get("role").and_then(Value::as_str) {
                Some("assistant") => answered |= !is_by_the_cli(message),
                Some("user") => {
                    conversation.step += usize::from(std::mem::take(&mut answered));
                    conversation.read_user(message, &mut digest);
                }
                _ => conversation.read_system(message),
            }
        }
        conversation.step += usize::from(answered);
        conversation
    }

    fn read_user(&mut self, message: &Value, digest: &mut Digest) {
        self.asks_for_summary =
            message_blocks(message).filter_map(MessageBlock::text).any(human_text::asks_for_summary);
        let results = message_blocks(message).filter(|block| block.is("tool_result"));
        self.tool_results.extend(results.filter_map(tool_result));
        for prompt in prompts(message) {
            // With nothing to go on with it is a prompt like any other.
            if self.prompt.is_empty() || !human_text::asks_to_go_on(&prompt) {
                // What the CLI adds to a prompt may change when a conversation is resumed.
                digest.add_str(&prompt);
                self.begin(prompt);
                self.key = digest.hash();
            }
        }
        let texts = message_blocks(message).filter_map(MessageBlock::text);
        self.working_directory = texts.filter_map(working_directory).last().or(self.working_directory.take());
    }

    fn read_system(&mut self, message: &Value) {
        for text in message_blocks(message).filter_map(MessageBlock::text) {
            self.added.extend(human_text::of_mid_turn_message(text));
            self.working_directory = working_directory(text).or(self.working_directory.take());
        }
    }

    fn begin(&mut self, prompt: String) {
        let last = std::mem::replace(&mut self.prompt, prompt);
        if !last.is_empty() {
            self.earlier.push(last);
        }
        self.earlier.append(&mut self.added);
        self.tool_results.clear();
        self.step = 0;
    }
}

/// The human's prompts in one user message. After a turn that failed or was interrupted the CLI puts the next prompt into the
/// same message, as a block of its own, and ends the earlier blocks with a newline; blocks without one belong together.
fn prompts(message: &Value) -> Vec<String> {
    let mut prompts: Vec<String> = Vec::new();
    let mut goes_on = false;
    for text in message_blocks(message).filter_map(MessageBlock::text) {
        let Some(human) = human_text::of_user_text(text) else {
            goes_on = false;
            continue;
        };
        match prompts.last_mut() {
            Some(last) if goes_on => {
                last.push('\n');
                last.push_str(&human);
            }
            _ => prompts.push(human),
        }
        goes_on = !text.ends_with('\n');
    }
    prompts
}

/// Whether the CLI put this where the model's answer would be: nobody gave an answer.
fn is_by_the_cli(message: &Value) -> bool {
    message_blocks(message).all(|block| block.text().is_some_and(human_text::stands_for_an_answer))
}

fn tool_result(block: MessageBlock<'_>) -> Option<ToolResult> {
    let MessageBlock::Block(block) = block else { return None };
    let texts: Vec<&str> = message_blocks(block).filter_map(MessageBlock::text).collect();
    let is_error = block.get("is_error").and_then(Value::as_bool).unwrap_or(false);
    Some(ToolResult { is_error, text: texts.join("\n") })
}

/// The CLI writes ` - Primary working directory: /path`, in the system prompt or in a message of its own.
fn working_directory(text: &str) -> Option<String> {
    let (_, after) = text.rsplit_once("orking directory: ")?;
    let directory = after.lines().next()?.trim();
    directory.starts_with('/').then(|| directory.to_owned())
}

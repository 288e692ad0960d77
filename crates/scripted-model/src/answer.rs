//! Decides what to answer to a Messages request.

use std::time::Duration;

use uuid::Uuid;

use crate::directive::{FaultKind, Malformed, ToolContext};
use crate::faults::{FaultCounters, StepKey};
use crate::plain_language;
use crate::reply::{Block, Interruption, Reply};
use crate::request::{Conversation, MessagesRequest};
use crate::scenario::Rules;
use crate::script::{Content, Script, Step};
use crate::side_request;
use crate::usage::{InputTokens, PromptCache};

/// The memory of a model: only what no conversation can tell.
#[derive(Debug, Default)]
pub(crate) struct Mind {
    faults: FaultCounters,
    cache: PromptCache,
    rules: Option<Rules>,
}

/// What to answer, and how long to wait before it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) delay: Duration,
    pub(crate) outcome: Outcome,
}

/// How a request is answered.
#[derive(Debug)]
pub(crate) enum Outcome {
    Reply(Box<Reply>),
    HttpError {
        status: u16,
        retry_after: Option<u32>,
    },
    /// Not at all.
    Silence,
}

impl Mind {
    /// A mind that follows these rules before anything a prompt says.
    pub(crate) fn new(rules: Option<Rules>) -> Self {
        Self { rules, ..Self::default() }
    }

    /// Answers a request.
    pub(crate) fn answer(&self, request: &MessagesRequest) -> Answer {
        let step = self.step(request);
        let key = StepKey { conversation: request.conversation.key, step: request.conversation.step };
        let fault = self.faults.next(key, &step.faults);
        let delay = step.delay;
        let outcome = match fault {
            Some(FaultKind::Http { status, retry_after }) => Outcome::HttpError { status, retry_after },
            Some(FaultKind::Hang) => Outcome::Silence,
            Some(FaultKind::Cut) => self.reply(request, step, Some(Interruption::Cut)),
            Some(FaultKind::ErrorEvent { error_type }) => {
                self.reply(request, step, Some(Interruption::ErrorEvent { error_type }))
            }
            None => self.reply(request, step, None),
        };
        Answer { delay, outcome }
    }

    fn step(&self, request: &MessagesRequest) -> Step {
        let conversation = &request.conversation;
        if request.is_side_request() {
            return side_request::answer(request);
        }
        if conversation.asks_for_summary {
            return side_request::summary(conversation);
        }
        let script = match self.rules.as_ref().and_then(|rules| rules.script(request)) {
            Some(script) => Ok(script.clone()),
            None => match directives(conversation) {
                Some(text) => Script::read(&text),
                None => return plain_language::step(conversation, &request.tools),
            },
        };
        script.map_or_else(explain, |script| script.step(conversation.step))
    }

    fn reply(&self, request: &MessagesRequest, step: Step, fault: Option<Interruption>) -> Outcome {
        let counted = self.cache.count(request);
        let stall = (!step.stall.is_zero()).then_some(Interruption::Stall(step.stall));
        let reported = step.usage;
        let stop_reason = step.stop_reason.clone();
        let blocks = blocks(request, step);
        let asks_for_tools = blocks.iter().any(|block| matches!(block, Block::ToolUse { .. }));
        let natural_stop = if asks_for_tools { "tool_use" } else { "end_turn" };
        Outcome::Reply(Box::new(Reply {
            id: new_id("msg"),
            model: request.model.clone(),
            blocks,
            stop_reason: stop_reason.unwrap_or_else(|| natural_stop.to_owned()),
            input: reported
                .map_or(counted, |(input, _)| InputTokens { uncached: input, ..InputTokens::default() }),
            output_tokens: reported.map(|(_, output)| output),
            interruptions: stall.into_iter().chain(fault).collect(),
        }))
    }
}

/// The human's words that hold directives: the prompt, and what was added while it was being answered.
fn directives(conversation: &Conversation) -> Option<String> {
    let words = std::iter::once(&conversation.prompt).chain(&conversation.added);
    let scripted: Vec<&str> = words.map(String::as_str).filter(|text| text.contains("[[")).collect();
    (!scripted.is_empty()).then(|| scripted.join("\n"))
}

fn explain(malformed: Malformed) -> Step {
    Step::text(format!("{malformed}."))
}

fn blocks(request: &MessagesRequest, step: Step) -> Vec<Block> {
    let thinking = step.thinking.into_iter().filter(|_| request.thinking).map(Block::Thinking);
    let content = step.content.into_iter().map(|content| match content {
        Content::Text(text) => Block::Text(text),
        Content::Tokens { count, gap } => Block::Tokens { count, gap },
        Content::History => Block::Text(history(&request.conversation)),
    });
    let context = ToolContext {
        working_directory: request.conversation.working_directory.as_deref(),
        offered: &request.tools,
    };
    let tools = step.tools.iter().map(|call| {
        let (name, input) = call.name_and_input(context);
        if request.tools.is_empty() {
            return Block::Text(format!("No tools were offered, so I did not ask for {name}."));
        }
        Block::ToolUse { id: new_id("toolu"), name, input }
    });
    thinking.chain(content).chain(tools).collect()
}

fn history(conversation: &Conversation) -> String {
    let lines: Vec<String> = conversation.earlier.iter().map(|prompt| prompt.replace('\n', " ")).collect();
    if lines.is_empty() { "This conversation has no earlier prompts.".to_owned() } else { lines.join("\n") }
}

/// An id of the API's form, such as `msg_0123...`.
pub(crate) fn new_id(prefix: &str) -> String {
    let digits: String = Uuid::new_v4().simple().to_string().chars().take(24).collect();
    format!("{prefix}_{digits}")
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;

//! Turns the CLI's frames into agent events. Pure: the same lines give the same events.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use claude_protocol::{
    AssistantMessage, Block, CommandState, ControlReply, ControlRequest, Frame, Line, RateLimit,
    SessionState, StreamEvent, SystemFrame, TurnResult, UserMessage, WireUsage, decode,
};
use domain::{Timestamp, TokenUsage};
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use uuid::Uuid;

use super::changes::{changed_file, file_to_change};
use crate::{AgentEvent, ApiError, Said, Statement, TurnEnd, TurnEnding};

/// What a line asks of the driver.
#[derive(Debug)]
pub(super) enum Output {
    /// Tell the agent's owner.
    Event(AgentEvent),
    /// Answer the CLI.
    Question { request_id: String, request: ControlRequest },
    /// The CLI no longer needs the answer.
    Withdrawn { request_id: String },
    /// The CLI answered a request of ours.
    Reply(ControlReply),
    /// The turn of a prompt began.
    Started,
    /// A piece of an answer that is being written.
    Partial(StreamEvent),
}

/// Names of calls whose result is still to come. More than this many at once is no real agent.
const MOST_OPEN_CALLS: usize = 10_000;
/// Outputs for which room is kept from line to line; a line has hardly more than one.
const ROOM: usize = 16;

/// What is remembered of a call until its result comes.
#[derive(Debug)]
struct Call {
    tool: String,
    /// The file that it is to change.
    file: Option<PathBuf>,
}

/// Remembers what later lines refer to.
#[derive(Debug, Default)]
pub(super) struct Translator {
    calls: HashMap<String, Call>,
    answers: HashSet<String>,
    /// Prompts whose turn has begun and whose fate is not told yet.
    started: HashSet<Uuid>,
    /// The CLI's word for the turn's last failure of the API.
    api_error: Option<String>,
    /// Until when a subscription's limit is used up.
    limited_until: Option<Timestamp>,
    tokens_before: TokenUsage,
    tokens_of_answer: TokenUsage,
    /// Room for what a line of the model or its tools means, from the line before.
    room: Vec<Output>,
}

fn usage(wire: WireUsage) -> TokenUsage {
    TokenUsage {
        input: wire.input_tokens,
        output: wire.output_tokens,
        cache_read: wire.cache_read_input_tokens,
        cache_creation: wire.cache_creation_input_tokens,
    }
}

/// The line as JSON: as it is, or as a JSON text when it is no JSON.
fn raw_json(line: &Bytes) -> Box<RawValue> {
    serde_json::from_slice(line).or_else(|_| to_raw_value(&String::from_utf8_lossy(line))).unwrap_or_default()
}

fn said(statement: Statement, parent_tool_use_id: Option<&String>) -> Output {
    Output::Event(AgentEvent::Said(Said { statement, parent_tool_use_id: parent_tool_use_id.cloned() }))
}

fn report(subtype: &str, data: Box<RawValue>) -> Output {
    said(Statement::System { subtype: subtype.to_owned(), data }, None)
}

impl Translator {
    /// What a line of output means. Nothing vanishes: a line that is not understood is reported with its bytes.
    pub(super) fn line(&mut self, line: Line) -> Vec<Output> {
        match line {
            Line::Whole(bytes) => self.frame(decode(&bytes), &bytes),
            Line::Torn(bytes) => vec![report("torn_output", raw_json(&bytes))],
            Line::Overlong(length) => {
                let data = to_raw_value(&json!({"length_bytes": length})).unwrap_or_default();
                vec![report("overlong_output", data)]
            }
        }
    }

    /// Takes the room of what was done back, so that the next line need not ask the allocator for it.
    pub(super) fn take_back(&mut self, mut outputs: Vec<Output>) {
        if (self.room.capacity()..=ROOM).contains(&outputs.capacity()) {
            outputs.clear();
            self.room = outputs;
        }
    }

    fn frame(&mut self, frame: Frame, line: &Bytes) -> Vec<Output> {
        match frame {
            Frame::Assistant(message) => self.assistant(message),
            Frame::User(message) => self.user(message),
            Frame::StreamEvent(event) => self.stream_event(event),
            Frame::System(frame) => Self::system(&frame, line),
            Frame::Result(result) => self.turn_ended(*result, line),
            Frame::ControlRequest { request_id, request } => vec![Output::Question { request_id, request }],
            Frame::ControlCancel { request_id } => vec![Output::Withdrawn { request_id }],
            Frame::ControlResponse(reply) => vec![Output::Reply(reply)],
            Frame::CommandLifecycle { prompt, state: CommandState::Discarded | CommandState::Refused } => {
                vec![Output::Event(AgentEvent::PromptRefused(prompt))]
            }
            Frame::CommandLifecycle { prompt, state: CommandState::Started } => {
                if self.started.len() < MOST_OPEN_CALLS {
                    self.started.insert(prompt);
                }
                vec![Output::Started]
            }
            // One whose turn had begun is named by that turn's result.
            Frame::CommandLifecycle { prompt, state: CommandState::Cancelled } => {
                let began = self.started.remove(&prompt);
                let dropped = (!began).then_some(Output::Event(AgentEvent::PromptCancelled(prompt)));
                dropped.into_iter().collect()
            }
            Frame::CommandLifecycle { prompt, state: CommandState::Completed } => {
                self.started.remove(&prompt);
                Vec::new()
            }
            // What else becomes of a prompt is told by the result that names it.
            Frame::CommandLifecycle { .. } | Frame::KeepAlive => Vec::new(),
            Frame::Unknown { kind } if kind.is_empty() => vec![report("unknown", raw_json(line))],
            Frame::RateLimit(ref event) => {
                self.limited_until = refused_until(&event.rate_limit_info);
                vec![report(frame.kind(), raw_json(line))]
            }
            Frame::Unknown { .. }
            | Frame::ToolProgress(_)
            | Frame::ConversationReset(_)
            | Frame::TranscriptMirror(_)
            | Frame::AuthStatus(_)
            | Frame::PromptSuggestion(_)
            | Frame::ToolUseSummary(_) => vec![report(frame.kind(), raw_json(line))],
            Frame::NotJson => vec![report("unparsed_output", raw_json(line))],
        }
    }

    fn assistant(&mut self, message: AssistantMessage) -> Vec<Output> {
        let parent = message.parent_tool_use_id.as_ref();
        let mut outputs = std::mem::take(&mut self.room);
        match message.error {
            _ if parent.is_some() => {}
            Some(error) => self.api_error = Some(error),
            None => outputs.extend(self.count_answer(&message.message_id, message.usage)),
        }
        let (mut model, mut blocks) = (message.model, message.blocks.into_iter());
        while let Some(block) = blocks.next() {
            // A line has one block: its model need not be copied.
            let model = if blocks.len() == 0 { std::mem::take(&mut model) } else { model.clone() };
            let statement = match block {
                Block::Text(content) => Statement::Text { content, model },
                Block::Thinking(content) => Statement::Thinking { content, model },
                Block::ToolUse { id, name, input } => {
                    self.remember_call(&id, &name, &input);
                    Statement::ToolUse { id, name, input }
                }
                other @ Block::ToolResult { .. } => other_block(&other),
                Block::Other(raw) => unknown_block(raw),
            };
            outputs.push(said(statement, parent));
        }
        outputs
    }

    fn remember_call(&mut self, id: &str, tool: &str, input: &RawValue) {
        if self.calls.len() < MOST_OPEN_CALLS {
            let call = Call { tool: tool.to_owned(), file: file_to_change(tool, input) };
            self.calls.insert(id.to_owned(), call);
        }
    }

    fn user(&mut self, message: UserMessage) -> Vec<Output> {
        if message.is_replay {
            return Vec::new();
        }
        let parent = message.parent_tool_use_id.as_ref();
        let structured = message.tool_use_result.as_deref();
        let mut outputs = std::mem::take(&mut self.room);
        let statements = message.blocks.into_iter().map(|block| match block {
            Block::Text(content) => Statement::User { content },
            Block::ToolResult { tool_use_id, content, is_error } => {
                self.tool_result(tool_use_id, content, is_error, structured)
            }
            Block::Other(raw) => unknown_block(raw),
            other => other_block(&other),
        });
        outputs.extend(statements.map(|statement| said(statement, parent)));
        outputs
    }

    fn tool_result(
        &mut self,
        id: String,
        content: Option<Box<RawValue>>,
        is_error: bool,
        structured: Option<&RawValue>,
    ) -> Statement {
        let call = self.calls.remove(&id);
        let (name, file) = call.map_or_else(Default::default, |call| (call.tool, call.file));
        let changed_file = match structured {
            _ if is_error => None,
            Some(output) => changed_file(&name, output),
            // Sub-agents' results have no structured output.
            None => file,
        };
        let (content, blocks) = text_of(content);
        Statement::ToolResult { id, name, content, blocks, is_error, changed_file }
    }

    /// Counts an answer of the model that was not streamed to us, or the start of a streamed one.
    fn count_answer(&mut self, message_id: &str, wire: Option<WireUsage>) -> Option<Output> {
        // Once for each block of an answer: an id is kept only when it is new.
        if self.answers.contains(message_id) {
            return None;
        }
        self.answers.insert(message_id.to_owned());
        self.tokens_before += self.tokens_of_answer;
        self.tokens_of_answer = wire.map(usage).unwrap_or_default();
        Some(self.counted())
    }

    /// What is written piece by piece is said again by the whole answer, so the pieces are no events.
    fn stream_event(&mut self, event: StreamEvent) -> Vec<Output> {
        let counted = match &event {
            StreamEvent::MessageStart { message_id, usage, .. } => {
                self.count_answer(message_id, Some(*usage))
            }
            StreamEvent::MessageDelta { usage: Some(wire), .. } => {
                let before = self.tokens_of_answer;
                let now = usage(*wire);
                // The final counts of an answer leave out what did not change since its start.
                self.tokens_of_answer = TokenUsage {
                    input: before.input.max(now.input),
                    output: before.output.max(now.output),
                    cache_read: before.cache_read.max(now.cache_read),
                    cache_creation: before.cache_creation.max(now.cache_creation),
                };
                Some(self.counted())
            }
            _ => None,
        };
        counted.into_iter().chain([Output::Partial(event)]).collect()
    }

    fn counted(&self) -> Output {
        Output::Event(AgentEvent::Counted {
            turns: self.answers.len() as u64,
            tokens: self.tokens_before + self.tokens_of_answer,
        })
    }

    fn system(frame: &SystemFrame, line: &Bytes) -> Vec<Output> {
        let event = match frame {
            SystemFrame::SessionState(SessionState::Idle) => return vec![Output::Event(AgentEvent::Idle)],
            SystemFrame::SessionState(SessionState::Running | SessionState::RequiresAction) => {
                return vec![Output::Event(AgentEvent::Busy)];
            }
            // The state of a request to the model, many times a turn: said by the answer itself.
            SystemFrame::Status(_) | SystemFrame::ThinkingTokens(_) => return Vec::new(),
            SystemFrame::ApiRetry(retry) => Some(AgentEvent::Retrying {
                status: retry.error_status,
                attempt: retry.attempt,
                delay: Duration::try_from_secs_f64(retry.retry_delay_ms / 1000.0).unwrap_or_default(),
            }),
            SystemFrame::BackgroundTasks(tasks) => Some(AgentEvent::Background { open: tasks.len() }),
            _ => None,
        };
        let visible = report(frame.subtype(), raw_json(line));
        std::iter::once(visible).chain(event.map(Output::Event)).collect()
    }

    fn turn_ended(&mut self, result: TurnResult, line: &Bytes) -> Vec<Output> {
        let limited_until = self.limited_until;
        let end = self.turn_end(result, line);
        let limited = limited_until.filter(|_| end.api_error.is_some());
        let limited = limited.map(|until| AgentEvent::RateLimited { until });
        limited.into_iter().chain([AgentEvent::TurnEnded(end)]).map(Output::Event).collect()
    }

    fn turn_end(&mut self, result: TurnResult, line: &Bytes) -> TurnEnd {
        let api_error = api_error(&result, self.api_error.take());
        let models = &result.model_usage_since_last_result;
        let tokens = models.values().map(|model| TokenUsage {
            input: model.input_tokens,
            output: model.output_tokens,
            cache_read: model.cache_read_input_tokens,
            cache_creation: model.cache_creation_input_tokens,
        });
        *self = Self {
            calls: std::mem::take(&mut self.calls),
            started: std::mem::take(&mut self.started),
            // Told only when it changes.
            limited_until: self.limited_until,
            ..Self::default()
        };
        let mut prompts = result.user_message_uuids.clone();
        prompts.extend(result.user_message_uuid.filter(|prompt| !prompts.contains(prompt)));
        TurnEnd {
            ending: ending(&result),
            api_error,
            prompts,
            turns: result.num_turns,
            tokens: (!models.is_empty()).then(|| tokens.fold(TokenUsage::default(), |sum, one| sum + one)),
            cost_usd: models.values().map(|model| model.cost_usd).sum(),
            text: result.result.unwrap_or_default(),
            subtype: result.subtype,
            data: raw_json(line),
        }
    }
}

fn unknown_block(data: Box<RawValue>) -> Statement {
    Statement::System { subtype: "content_block".to_owned(), data }
}

/// `None` while requests are let through.
fn refused_until(limit: &RateLimit) -> Option<Timestamp> {
    let seconds = limit.resets_at.filter(|_| limit.status == "rejected")?;
    let since_1970 = Duration::try_from_secs_f64(seconds).ok()?;
    Some(Timestamp::from_millis(0).after(since_1970))
}

fn api_error(result: &TurnResult, said: Option<String>) -> Option<ApiError> {
    result.met_api_error().then(|| ApiError {
        status: result.api_error_status,
        kind: result.api_error_type.clone().or(said).unwrap_or_else(|| "unknown".to_owned()),
    })
}

/// A block of a known kind on the wrong side of the conversation.
fn other_block(block: &Block) -> Statement {
    unknown_block(to_raw_value(&format!("{block:?}")).unwrap_or_default())
}

/// A tool result's content as text, and the blocks when they say more than that text.
fn text_of(content: Option<Box<RawValue>>) -> (String, Option<Box<RawValue>>) {
    #[derive(serde::Deserialize)]
    struct Piece {
        #[serde(rename = "type")]
        kind: String,
        text: Option<String>,
    }
    let Some(raw) = content else { return (String::new(), None) };
    if let Ok(text) = serde_json::from_str::<String>(raw.get()) {
        return (text, None);
    }
    let pieces: Vec<Piece> = serde_json::from_str(raw.get()).unwrap_or_default();
    let texts = pieces.into_iter().map(|piece| piece.text.unwrap_or_else(|| format!("[{}]", piece.kind)));
    (texts.collect::<Vec<_>>().join("\n"), Some(raw))
}

/// Protocol section 7.3: the subtype alone does not tell.
fn ending(result: &TurnResult) -> TurnEnding {
    if result.was_aborted() {
        return TurnEnding::Aborted;
    }
    if result.subtype == "success" && !result.is_error {
        return TurnEnding::Completed;
    }
    let reason = match result.subtype.as_str() {
        "success" => result.result.clone().unwrap_or_else(|| "the model API refused the request".to_owned()),
        "error_max_turns" => "the limit of turns was reached (max_turns)".to_owned(),
        "error_max_budget_usd" => "the budget is spent (max_budget_usd)".to_owned(),
        "error_max_structured_output_retries" => {
            "the model gave no answer that fits the output schema".to_owned()
        }
        subtype => {
            if result.errors.is_empty() {
                format!("the agent reported {subtype}")
            } else {
                result.errors.join("; ")
            }
        }
    };
    TurnEnding::Failed(reason)
}

#[cfg(test)]
mod tests;

//! Frames in a few words each, so that a run reads as what happened.

use claude_protocol::{
    Block, ControlRequest, Delta, Frame, Line, LineSplitter, StreamEvent, SystemFrame, decode,
};

fn blocks(blocks: &[Block]) -> String {
    let label = |block: &Block| match block {
        Block::Text(_) => "text".to_owned(),
        Block::Thinking(_) => "thinking".to_owned(),
        Block::ToolUse { name, .. } => format!("tool_use {name}"),
        Block::ToolResult { is_error, .. } => {
            if *is_error {
                "tool_result error".to_owned()
            } else {
                "tool_result".to_owned()
            }
        }
        Block::Other(raw) => panic!("unknown block: {}", raw.get()),
    };
    blocks.iter().map(label).collect::<Vec<_>>().join("+")
}

fn system(frame: &SystemFrame) -> String {
    match frame {
        SystemFrame::BackgroundTasks(tasks) => format!("background {}", tasks.len()),
        SystemFrame::SessionState(state) => format!("state {state:?}").to_lowercase(),
        SystemFrame::ApiRetry(retry) => format!("retry {} {:?}", retry.attempt, retry.error_status),
        SystemFrame::Status(status) => format!("status {}", status.status.as_deref().unwrap_or("-")),
        SystemFrame::TaskStarted(task) => {
            format!(
                "task_started {}{}",
                task.task_type,
                if task.is_backgrounded { " background" } else { "" }
            )
        }
        SystemFrame::TaskUpdated(task) => {
            let status = task.patch.status.map_or_else(|| "-".to_owned(), |status| format!("{status:?}"));
            format!("task_updated {}", status.to_lowercase())
        }
        SystemFrame::TaskNotification(task) => format!("task_notification {:?}", task.status).to_lowercase(),
        SystemFrame::CompactBoundary(boundary) => {
            format!("compact_boundary {}", boundary.compact_metadata.trigger)
        }
        other => other.subtype().to_owned(),
    }
}

fn streamed(event: &StreamEvent) -> String {
    match event {
        StreamEvent::MessageStart { .. } => "message_start".into(),
        StreamEvent::BlockStart { index, block } => {
            format!("block_start {index} {}", blocks(std::slice::from_ref(block)))
        }
        StreamEvent::BlockDelta { index, delta } => {
            let word = match delta {
                Delta::Text(_) => "text",
                Delta::Thinking(_) => "thinking",
                Delta::Signature(_) => "signature",
                Delta::InputJson(_) => "input",
                Delta::Other => "OTHER",
            };
            format!("delta {index} {word}")
        }
        StreamEvent::BlockStop { index } => format!("block_stop {index}"),
        StreamEvent::MessageDelta { stop_reason, .. } => {
            format!("message_delta {}", stop_reason.as_deref().unwrap_or("-"))
        }
        StreamEvent::MessageStop { abandoned_from: None } => "message_stop".into(),
        StreamEvent::MessageStop { abandoned_from: Some(index) } => format!("message_stop abandoned {index}"),
        StreamEvent::Other => "OTHER".into(),
    }
}

fn label(frame: &Frame) -> String {
    match frame {
        Frame::ControlResponse(reply) => {
            format!("response {}", if reply.outcome.is_ok() { "ok" } else { "refused" })
        }
        Frame::ControlRequest { request: ControlRequest::CanUseTool(ask), .. } => {
            format!("ask {}", ask.tool_name)
        }
        Frame::ControlRequest { request: ControlRequest::HookCallback(_), .. } => "ask hook_callback".into(),
        Frame::ControlRequest { request: ControlRequest::McpMessage(_), .. } => "ask mcp_message".into(),
        Frame::ControlRequest { request: ControlRequest::Elicitation(_), .. } => "ask elicitation".into(),
        Frame::ControlRequest { request: ControlRequest::Other { subtype }, .. } => {
            format!("ask UNKNOWN {subtype}")
        }
        Frame::ControlCancel { .. } => "cancel".into(),
        Frame::CommandLifecycle { state, .. } => format!("prompt {state:?}").to_lowercase(),
        Frame::System(frame) => system(frame),
        Frame::Assistant(message) => format!("assistant {}", blocks(&message.blocks)),
        Frame::User(message) => format!("user {}", blocks(&message.blocks)),
        Frame::Result(result) => format!(
            "result {} {} {}",
            result.subtype,
            if result.is_error { "error" } else { "ok" },
            result.terminal_reason.as_deref().unwrap_or("-")
        ),
        Frame::StreamEvent(event) => streamed(event),
        Frame::ConversationReset(reset) => format!("conversation_reset {}", reset.trigger),
        Frame::Unknown { kind } => format!("UNKNOWN {kind}"),
        Frame::NotJson => "NOT JSON".into(),
        other => other.kind().to_owned(),
    }
}

/// The lines, read.
pub(crate) fn frames(text: &str) -> Vec<Frame> {
    let mut splitter = LineSplitter::default();
    splitter.buffer().extend_from_slice(text.as_bytes());
    let mut frames = Vec::new();
    while let Some(line) = splitter.next_line() {
        let Line::Whole(line) = line else { panic!("{line:?}") };
        frames.push(decode(&line));
    }
    frames
}

/// What the frames say; deltas of one block are one label.
pub(crate) fn labels(text: &str) -> Vec<String> {
    let mut labels: Vec<_> = frames(text).iter().map(label).collect();
    labels.dedup_by(|next, last| next == last && next.starts_with("delta"));
    labels
}

//! Recorded output of the real CLI 2.1.330 (long lists cut) decodes to typed values with nothing unknown.
#![expect(clippy::panic, reason = "tests fail by panicking")]

use claude_protocol::{Block, ControlRequest, Frame, LineSplitter, StreamEvent, SystemFrame, decode};

const TRANSCRIPTS: [(&str, &str); 10] = [
    ("background_bash", include_str!("transcripts/background_bash.jsonl")),
    ("bad_tool_calls", include_str!("transcripts/bad_tool_calls.jsonl")),
    ("err_529_x2", include_str!("transcripts/err_529_x2.jsonl")),
    ("interrupt_during_bash", include_str!("transcripts/interrupt_during_bash.jsonl")),
    ("partial_messages", include_str!("transcripts/partial_messages.jsonl")),
    ("perm_deny", include_str!("transcripts/perm_deny.jsonl")),
    ("session_state_events", include_str!("transcripts/session_state_events.jsonl")),
    ("subagent_foreground", include_str!("transcripts/subagent_foreground.jsonl")),
    ("tools_write_edit_read_bash", include_str!("transcripts/tools_write_edit_read_bash.jsonl")),
    ("uuid_echo", include_str!("transcripts/uuid_echo.jsonl")),
];

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

fn label(frame: &Frame) -> String {
    match frame {
        Frame::ControlResponse(reply) => {
            format!("response {}", if reply.outcome.is_ok() { "ok" } else { "refused" })
        }
        Frame::ControlRequest { request: ControlRequest::CanUseTool(ask), .. } => {
            format!("ask {}", ask.tool_name)
        }
        Frame::ControlRequest { request: ControlRequest::HookCallback(call), .. } => {
            format!("hook {}", call.callback_id)
        }
        Frame::ControlRequest { request: ControlRequest::McpMessage(message), .. } => {
            format!("mcp {}", message.server_name)
        }
        Frame::ControlRequest { request: ControlRequest::Elicitation(_), .. } => "elicitation".into(),
        Frame::ControlRequest { request: ControlRequest::Other { subtype }, .. } => {
            format!("UNKNOWN ask {subtype}")
        }
        Frame::ControlCancel { .. } => "cancel".into(),
        Frame::CommandLifecycle { state, .. } => format!("prompt {state:?}").to_lowercase(),
        Frame::System(SystemFrame::BackgroundTasks { open }) => format!("background {open}"),
        Frame::System(SystemFrame::SessionState(state)) => format!("state {state:?}").to_lowercase(),
        Frame::System(SystemFrame::ApiRetry(retry)) => {
            format!("retry {} {:?}", retry.attempt, retry.error_status)
        }
        Frame::System(frame) => frame.subtype().to_owned(),
        Frame::Assistant(message) => format!("assistant {}", blocks(&message.blocks)),
        Frame::User(message) => format!("user {}", blocks(&message.blocks)),
        Frame::Result(result) => format!(
            "result {} {} {}",
            result.subtype,
            if result.is_error { "error" } else { "ok" },
            result.terminal_reason.as_deref().unwrap_or("-")
        ),
        Frame::StreamEvent(StreamEvent::Delta) => "delta".into(),
        Frame::StreamEvent(event) => format!("{event:?}"),
        Frame::KeepAlive => "keep_alive".into(),
        Frame::Unknown { kind } => format!("UNKNOWN {kind}"),
        Frame::NotJson => "NOT JSON".into(),
    }
}

fn labels(text: &str) -> Vec<String> {
    let mut splitter = LineSplitter::default();
    splitter.buffer().extend_from_slice(text.as_bytes());
    let mut labels = Vec::new();
    while let Some(line) = splitter.next_line() {
        let claude_protocol::Line::Whole(line) = line else { panic!("{line:?}") };
        labels.push(label(&decode(&line)));
    }
    labels
}

#[test]
fn nothing_in_the_recorded_runs_is_unknown() {
    for (name, text) in TRANSCRIPTS {
        // `conversation_reset` (the answer to `/clear`, which no prompt of ours can trigger) is passed on untyped.
        let unknown: Vec<_> = labels(text)
            .into_iter()
            .filter(|label| label.starts_with("UNKNOWN") || label.starts_with("NOT"))
            .filter(|label| label != "UNKNOWN conversation_reset")
            .collect();
        assert_eq!(unknown, Vec::<String>::new(), "{name}");
    }
}

#[test]
fn an_interrupt_during_a_tool_reads_as_it_happened() {
    let text = include_str!("transcripts/interrupt_during_bash.jsonl");
    assert_eq!(
        labels(text),
        [
            "response ok",
            "prompt queued",
            "prompt started",
            "init",
            "assistant tool_use Bash",
            "response ok",
            "user tool_result error",
            "user text",
            "result error_during_execution error aborted_tools",
            "prompt cancelled",
            "init",
            "assistant text",
            "result success ok completed"
        ]
    );
}

#[test]
fn a_background_task_outlives_its_turn() {
    let text = include_str!("transcripts/background_bash.jsonl");
    assert_eq!(
        labels(text),
        [
            "response ok",
            "init",
            "assistant tool_use Bash",
            "background 1",
            "task_started",
            "user tool_result",
            "assistant text",
            "result success ok completed",
            "task_updated",
            "task_notification",
            "background 0",
            "init",
            "assistant text",
            "result success ok completed"
        ]
    );
}

#[test]
fn a_denied_tool_reads_as_it_happened() {
    assert_eq!(
        labels(include_str!("transcripts/perm_deny.jsonl")),
        [
            "response ok",
            "init",
            "assistant tool_use Write",
            "ask Write",
            "user tool_result error",
            "assistant text",
            "result success ok completed",
        ]
    );
}

#[test]
fn a_torn_line_is_no_message_and_a_damaged_one_never_panics() {
    let text = include_str!("transcripts/perm_deny.jsonl");
    for line in text.lines().filter(|line| line.len() < 2000) {
        let line = line.as_bytes();
        for end in 0..line.len() {
            assert!(matches!(decode(&line[..end]), Frame::NotJson), "{end}");
            let mut damaged = line.to_vec();
            damaged[end] = 0xff;
            drop(decode(&damaged));
        }
    }
}

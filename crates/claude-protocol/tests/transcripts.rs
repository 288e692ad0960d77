//! The recorded runs decode to typed values with nothing unknown, and read as what happened.
#![expect(clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use claude_protocol::{
    Block, CommandState, ControlRequest, Delta, Frame, SessionState, StreamEvent, SystemFrame, TaskStatus,
    decode,
};

use labels::{frames, labels};

mod labels;
mod recorded;

fn is_unknown(frame: &Frame) -> bool {
    let odd = |blocks: &[Block]| blocks.iter().any(|block| matches!(block, Block::Other(_)));
    match frame {
        Frame::Unknown { .. }
        | Frame::ControlRequest { request: ControlRequest::Other { .. }, .. }
        | Frame::NotJson
        | Frame::CommandLifecycle { state: CommandState::Unknown, .. }
        | Frame::System(SystemFrame::Other { .. } | SystemFrame::SessionState(SessionState::Unknown))
        | Frame::StreamEvent(StreamEvent::Other | StreamEvent::BlockDelta { delta: Delta::Other, .. }) => {
            true
        }
        Frame::System(SystemFrame::TaskUpdated(task)) => task.patch.status == Some(TaskStatus::Unknown),
        Frame::System(SystemFrame::TaskNotification(task)) => task.status == TaskStatus::Unknown,
        Frame::StreamEvent(StreamEvent::BlockStart { block, .. }) => odd(std::slice::from_ref(block)),
        Frame::Assistant(message) => odd(&message.blocks),
        Frame::User(message) => odd(&message.blocks),
        _ => false,
    }
}

#[test]
fn nothing_in_the_recorded_runs_is_unknown() {
    let runs = recorded::runs();
    assert!(runs.len() > 100, "{}", runs.len());
    for (name, text) in runs {
        for (frame, line) in frames(&text).iter().zip(text.lines()) {
            assert!(!is_unknown(frame), "{name}: {line}");
        }
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
            "task_started local_bash background",
            "user tool_result",
            "assistant text",
            "result success ok completed",
            "task_updated completed",
            "task_notification completed",
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

#[test]
fn a_sub_agent_outlives_its_turn_and_its_end_starts_another() {
    assert_eq!(
        labels(include_str!("transcripts/subagent.jsonl")),
        [
            "response ok",
            "init",
            "assistant tool_use Agent",
            "background 1",
            "task_started local_agent background",
            "user tool_result",
            "assistant text",
            "assistant text",
            "assistant tool_use Bash",
            "task_progress",
            "result success ok completed",
            "user tool_result",
            "assistant text",
            "task_updated completed",
            "task_notification completed",
            "background 0",
            "init",
            "assistant text",
            "result success ok completed",
        ]
    );
}

#[test]
fn an_interrupt_kills_background_agents_and_spares_background_commands() {
    assert_eq!(
        labels(include_str!("transcripts/interrupt_kills_background_agent.jsonl")),
        [
            "response ok",
            "init",
            "assistant tool_use Agent",
            "background 1",
            "task_started local_agent background",
            "user tool_result",
            "assistant tool_use Bash",
            "assistant tool_use Bash",
            "task_progress",
            "background 2",
            "task_started local_bash background",
            "user tool_result",
            "task_updated killed",
            "task_notification stopped",
            "background 1",
            "response ok",
            "assistant text",
            "user text",
            "result error_during_execution error aborted_streaming",
            "user tool_result error",
            "user text",
            "task_updated completed",
            "task_notification completed",
            "background 0",
            "init",
            "assistant text",
            "result success ok completed",
        ]
    );
}

#[test]
fn an_answer_that_breaks_off_is_abandoned_and_comes_again_whole() {
    assert_eq!(
        labels(include_str!("transcripts/err_midstream_x1.jsonl")),
        [
            "response ok",
            "init",
            "status requesting",
            "message_start",
            "block_start 0 text",
            "delta 0 text",
            "block_stop 0",
            "message_stop abandoned 0",
            "assistant text",
            "result success ok completed",
            "init",
            "status requesting",
            "message_start",
            "block_start 0 text",
            "delta 0 text",
            "assistant text",
            "block_stop 0",
            "message_delta end_turn",
            "message_stop",
            "result success ok completed",
        ]
    );
}

#[test]
fn an_overloaded_model_is_asked_again_until_the_turn_fails() {
    assert_eq!(
        labels(include_str!("transcripts/err_529_maxretries2.jsonl")),
        [
            "response ok",
            "init",
            "retry 1 Some(529)",
            "retry 2 Some(529)",
            "assistant text",
            "result success error api_error",
            "init",
            "retry 1 Some(529)",
            "retry 2 Some(529)",
            "assistant text",
            "result success error api_error",
        ]
    );
}

#[test]
fn structured_output_ends_the_turn_without_a_text() {
    assert_eq!(
        labels(include_str!("transcripts/structured_output_ok.jsonl")),
        [
            "response ok",
            "init",
            "assistant tool_use StructuredOutput",
            "user tool_result",
            "result success ok completed",
        ]
    );
}

#[test]
fn commands_empty_and_shorten_the_conversation() {
    assert_eq!(
        labels(include_str!("transcripts/slash_commands.jsonl")),
        [
            "response ok",
            "init",
            "assistant text",
            "result success ok completed",
            "init",
            "assistant text",
            "result success ok -",
            "init",
            "assistant text",
            "result success ok -",
            "conversation_reset clear",
            "background 0",
            "init",
            "result success ok -",
            "init",
            "assistant text",
            "result success ok completed",
            "init",
            "assistant text",
            "result success ok completed",
            "status compacting",
            "status -",
            "init",
            "compact_boundary manual",
            "user text",
            "user text",
            "result success ok -",
        ]
    );
}

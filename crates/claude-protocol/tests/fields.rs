//! The fields of recorded frames are found under the names that the CLI gives them. Decoding is lenient, so a misspelt
//! name would show nowhere else.
#![expect(clippy::expect_used, reason = "tests fail by panicking")]

use claude_protocol::{Delta, Frame, StreamEvent, SystemFrame, TaskStatus, decode};
use uuid::Uuid;

mod recorded;

/// The frames of all runs that `pick` takes; at least one.
fn all<T>(pick: impl Fn(Frame) -> Option<T>) -> Vec<T> {
    let runs = recorded::runs();
    let lines = runs.iter().flat_map(|(_, text)| text.lines());
    let picked: Vec<T> = lines.filter_map(|line| pick(decode(line.as_bytes()))).collect();
    assert!(!picked.is_empty());
    picked
}

macro_rules! system {
    ($variant:ident) => {
        all(|frame| match frame {
            Frame::System(SystemFrame::$variant(message)) => Some(message),
            _ => None,
        })
    };
}

macro_rules! top {
    ($variant:ident) => {
        all(|frame| match frame {
            Frame::$variant(message) => Some(message),
            _ => None,
        })
    };
}

#[test]
fn init() {
    let inits = system!(Init);
    for init in &inits {
        assert!(init.session_id.is_some() && init.cwd.starts_with("/") && init.original_cwd.is_some());
        assert!(!init.tools.is_empty() && !init.agents.is_empty() && !init.capabilities.is_empty());
        assert_eq!(init.claude_code_version, "2.1.330");
        assert!(
            ![&init.model, &init.permission_mode, &init.api_key_source, &init.output_style]
                .iter()
                .any(|text| text.is_empty())
        );
    }
    assert!(inits.iter().any(|init| !init.slash_commands.is_empty() && !init.skills.is_empty()));
    assert!(inits.iter().any(|init| init.plugins.iter().any(|plugin| plugin.path == "builtin")));
    assert!(inits.iter().any(|init| !init.user_message_uuids.is_empty()));
    assert!(inits.iter().any(|init| !init.additional_directories.is_empty()));
    let server = inits.iter().find_map(|init| init.mcp_servers.first()).expect("an MCP server");
    assert!(!server.name.is_empty() && !server.status.is_empty() && server.source.is_some());
}

#[test]
fn tasks() {
    let started = system!(TaskStarted);
    assert!(started.iter().all(|task| !task.task_id.is_empty() && task.tool_use_id.is_some()));
    let agent = started.iter().find(|task| task.task_type == "local_agent").expect("a sub-agent");
    assert_eq!(agent.subagent_type.as_deref(), Some("general-purpose"));
    assert_eq!(agent.spawn_depth, Some(1));
    assert!(agent.prompt.is_some() && !agent.description.is_empty());
    assert!(started.iter().any(|task| task.owned_by_subagent && task.parent_task_id.is_some()));
    assert!(
        started.iter().any(|task| task.is_backgrounded) && started.iter().any(|task| !task.is_backgrounded)
    );

    let progress = system!(TaskProgress);
    assert!(progress.iter().all(|task| task.usage.total_tokens > 0 && task.usage.tool_uses > 0));
    assert!(progress.iter().all(|task| task.last_tool_name.is_some() && task.subagent_type.is_some()));

    let updated = system!(TaskUpdated);
    assert!(updated.iter().any(|task| task.patch.status.is_some() && task.patch.end_time.is_some()));
    assert!(updated.iter().any(|task| task.patch.is_backgrounded == Some(true)));

    let ended = system!(TaskNotification);
    assert!(ended.iter().all(|task| task.output_file.is_some() && !task.summary.is_empty()));
    assert!(ended.iter().any(|task| task.status == TaskStatus::Stopped));
    assert!(ended.iter().any(|task| task.summary_is_report));
    assert!(ended.iter().filter_map(|task| task.usage.as_ref()).any(|usage| usage.duration_ms > 0));

    let background = system!(BackgroundTasks);
    let task = background.iter().flatten().next().expect("a task");
    assert!(!task.task_id.is_empty() && !task.task_type.is_empty() && !task.description.is_empty());
}

#[test]
fn requests_to_the_model() {
    assert!(system!(ApiRetry).iter().all(|retry| {
        retry.attempt > 0 && retry.max_retries > 0 && retry.retry_delay_ms > 0.0 && retry.error.is_some()
    }));
    assert!(system!(Status).iter().any(|status| status.permission_mode.is_some()));
    assert!(system!(Status).iter().any(|status| status.compact_error.as_deref() == Some("too_few_groups")));
    assert!(system!(Status).iter().any(|status| status.compact_result.as_deref() == Some("success")));
    let fallback = system!(ModelFallback).remove(0);
    assert_eq!(
        (fallback.trigger.as_str(), fallback.original_model.as_str(), fallback.fallback_model.as_deref()),
        ("overloaded", "claude-opus-5-5", Some("claude-sonnet-5"))
    );
    let compact = system!(CompactBoundary).remove(0).compact_metadata;
    assert_eq!((compact.pre_tokens, compact.post_tokens, compact.duration_ms), (12815, Some(2714), Some(87)));
    assert!(compact.preserved_messages.is_some());
    let thinking = system!(ThinkingTokens).remove(0);
    assert_eq!((thinking.estimated_tokens, thinking.estimated_tokens_delta), (3, 3));
    let denied = system!(PermissionDenied);
    assert!(denied.iter().all(|denied| {
        ![&denied.tool_name, &denied.tool_use_id, &denied.message].iter().any(|text| text.is_empty())
    }));
    assert!(denied.iter().any(|denied| denied.decision_reason_type.is_some()));
    assert!(denied.iter().any(|denied| denied.decision_reason.is_some()));
}

#[test]
fn notices() {
    for hook in system!(HookResponse) {
        assert!(!hook.hook_id.is_empty() && !hook.hook_name.is_empty() && !hook.hook_event.is_empty());
        assert!(hook.exit_code.is_some() && hook.outcome.is_some());
    }
    assert!(system!(HookResponse).iter().any(|hook| !hook.stdout.is_empty() && !hook.output.is_empty()));
    let texts = system!(Informational);
    assert!(texts.iter().all(|text| !text.content.is_empty() && !text.level.is_empty()));
    let blocked = texts.iter().find(|text| text.prevent_continuation).expect("a blocked prompt");
    let outcome = blocked.prompt_submit_outcome.as_ref().expect("an outcome");
    assert_eq!((outcome.kind.as_str(), outcome.prompt_kept), ("blocked_by_hook", false));
    assert!(outcome.reason.is_some());
    assert!(texts.iter().any(|text| text.tag.as_deref() == Some("hook_callback_failed")));
    let notification = system!(Notification).remove(0);
    assert_eq!(notification.key, "stop-hook-error");
    assert_eq!(notification.priority, "immediate");
    assert!(system!(SessionTitleChanged).iter().all(|changed| !changed.title.is_empty()));
    assert!(system!(CommandsChanged)[0].commands.iter().all(|command| !command.description.is_empty()));
    assert!(system!(UiInvalidate).iter().all(|changed| changed.event == "ui.render"));
    assert_eq!(system!(ControlRequestProgress)[0].status, "started");
}

#[test]
fn messages_with_a_type_of_their_own() {
    let progress = top!(ToolProgress).remove(0);
    assert_eq!(
        progress.tool_use_id,
        format!("{}-heartbeat-0", progress.parent_tool_use_id.expect("the call"))
    );
    assert_eq!((progress.tool_name.as_str(), progress.elapsed_time_seconds), ("Bash", 30.0));
    for reset in top!(ConversationReset) {
        assert!(reset.new_conversation_id.is_some() && reset.user_message_uuid.is_some());
        assert_eq!(reset.trigger, "clear");
    }
    for mirror in top!(TranscriptMirror) {
        assert!(mirror.file_path.starts_with("/home") && !mirror.entries.is_empty());
    }
}

#[test]
fn what_was_said() {
    let said = top!(Assistant);
    assert!(said.iter().all(|message| message.uuid.is_some() && message.session_id.is_some()));
    assert!(said.iter().all(|message| !message.message_id.is_empty() && message.usage.is_some()));
    assert!(said.iter().any(|message| message.aborted));
    assert!(said.iter().any(|message| !message.user_message_uuids.is_empty()));
    assert!(said.iter().any(|message| message.agent_id.is_some() && message.subagent_type.is_some()));
    assert!(said.iter().any(|message| message.api_error_status == Some(529) && message.error.is_some()));

    let told = top!(User);
    assert!(told.iter().all(|message| message.uuid.is_some() && message.session_id.is_some()));
    assert!(told.iter().any(|message| message.is_synthetic) && told.iter().any(|message| message.is_replay));
    assert!(told.iter().any(|message| message.timestamp.is_some()));
    assert!(told.iter().any(|message| message.agent_id.is_some() && message.subagent_type.is_some()));
    let mut meta = told.iter().flat_map(|message| &message.tool_result_meta);
    assert!(meta.clone().any(|meta| meta.non_execution_kind.as_deref() == Some("user-rejected")));
    let decision = meta.find_map(|meta| meta.permission_decision.as_ref()).expect("a decision");
    assert!(!decision.decision.is_empty() && !decision.source.is_empty());
}

#[test]
fn streamed_answers() {
    let events = top!(StreamEvent);
    let has = |test: fn(&StreamEvent) -> bool| assert!(events.iter().any(test));
    has(|event| {
        matches!(event, StreamEvent::MessageStart { message_id, model, usage }
            if message_id.starts_with("msg_") && model == "claude-opus-5-5" && usage.input_tokens > 0)
    });
    has(
        |event| matches!(event, StreamEvent::BlockDelta { index: 1, delta: Delta::Text(text) } if !text.is_empty()),
    );
    has(
        |event| matches!(event, StreamEvent::BlockDelta { delta: Delta::Thinking(text), .. } if text == "pondering"),
    );
    has(
        |event| matches!(event, StreamEvent::BlockDelta { delta: Delta::Signature(text), .. } if text == "c2ln"),
    );
    has(
        |event| matches!(event, StreamEvent::BlockDelta { delta: Delta::InputJson(json), .. } if !json.is_empty()),
    );
    has(
        |event| matches!(event, StreamEvent::MessageDelta { stop_reason: Some(reason), usage: Some(_) } if reason == "end_turn"),
    );
}

#[test]
fn results() {
    let results = top!(Result);
    assert!(results.iter().all(|result| result.session_id.is_some() && result.usage.is_some()));
    assert!(results.iter().all(|result| result.result_index.is_some()));
    let has =
        |test: fn(&claude_protocol::TurnResult) -> bool| assert!(results.iter().any(|result| test(result)));
    has(|result| result.api_error_status == Some(529));
    has(|result| result.structured_output.is_some());
    has(|result| result.deferred_tool_use.is_some());
    has(|result| result.total_cost_usd > 0.0 && result.duration_ms > 0 && result.duration_api_ms > 0);
    has(|result| result.stop_reason.as_deref() == Some("end_turn"));
    has(|result| result.startup_failure_reason.as_deref() == Some("bypass_root"));
    has(|result| result.resume_reason.as_deref() == Some("interrupted_turn"));
    has(|result| result.local_command.as_deref() == Some("compact"));
    has(|result| result.origin.as_ref().is_some_and(|origin| origin.kind == "task-notification"));
    has(|result| result.origin.as_ref().is_some_and(|origin| origin.kind == "peer" && origin.from.is_some()));
    has(|result| result.model_usage.values().any(|usage| usage.input_tokens > 0 && usage.cost_usd > 0.0));
    has(|result| result.user_message_uuid.is_some_and(|prompt| prompt != Uuid::nil()));
    let denial = results.iter().find_map(|result| result.permission_denials.first()).expect("a denial");
    assert!(!denial.tool_name.is_empty() && !denial.tool_use_id.is_empty() && denial.tool_input.is_some());
}

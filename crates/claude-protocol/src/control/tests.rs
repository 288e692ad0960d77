use std::collections::BTreeMap;

use serde_json::Value;

use super::*;
use crate::{Destination, HookMatcher, Initialize, OnFailure};

fn read(written: &[u8]) -> Value {
    assert_eq!(written.iter().filter(|byte| **byte == b'\n').count(), 1, "one line");
    assert_eq!(written.last(), Some(&b'\n'));
    serde_json::from_slice(written).expect("JSON")
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).expect("JSON")
}

#[test]
fn hostile_text_stays_one_line_of_json() {
    let text = "a\nb\r\n{\"type\":\"user\"}\u{2028}\0\"\\";
    assert_eq!(
        read(&user_prompt(&Prompt::text(Uuid::nil(), text))),
        json!({
            "type": "user", "session_id": "", "parent_tool_use_id": null, "client_composed": true,
            "uuid": "00000000-0000-0000-0000-000000000000",
            "message": {"role": "user", "content": [{"type": "text", "text": text}]},
        })
    );
}

#[test]
fn blocks_priority_and_commands_are_the_callers_wish() {
    let prompt = Prompt {
        uuid: Uuid::nil(),
        content: PromptContent::Blocks(vec![json!({"type": "text", "text": "/cost"})]),
        reading: Reading::Terminal,
        priority: Priority::Now,
    };
    assert_eq!(
        read(&user_prompt(&prompt)),
        json!({
            "type": "user", "session_id": "", "parent_tool_use_id": null, "priority": "now",
            "uuid": "00000000-0000-0000-0000-000000000000",
            "message": {"role": "user", "content": [{"type": "text", "text": "/cost"}]},
        })
    );
}

#[test]
fn a_line_break_within_raw_input_does_not_break_the_line() {
    let answer = PermissionAnswer::Allow {
        updated_input: Some(raw("{\"command\":\n\"true\"}")),
        updated_permissions: vec![],
    };
    assert_eq!(
        read(&permission_answer("r", &answer))["response"]["response"]["updatedInput"]["command"],
        "true"
    );
}

#[test]
fn permission_answers_are_what_the_cli_reads() {
    let response = |answer| read(&permission_answer("r1", &answer))["response"]["response"].clone();
    assert_eq!(response(PermissionAnswer::allow()), json!({"behavior": "allow"}));
    assert_eq!(response(PermissionAnswer::deny("no")), json!({"behavior": "deny", "message": "no"}));
    assert_eq!(
        response(PermissionAnswer::Deny { message: "stop".into(), interrupt: true }),
        json!({"behavior": "deny", "message": "stop", "interrupt": true})
    );
    let mode = PermissionUpdate::SetMode { mode: "plan".into(), destination: Destination::Session };
    let allow =
        PermissionAnswer::Allow { updated_input: Some(raw(r#"{"a":1}"#)), updated_permissions: vec![mode] };
    assert_eq!(
        response(allow),
        json!({"behavior": "allow", "updatedInput": {"a": 1},
               "updatedPermissions": [{"type": "setMode", "mode": "plan", "destination": "session"}]})
    );
}

#[test]
fn requests_are_what_the_cli_reads() {
    let request = |request: HostRequest| read(&control_request("r", &request))["request"].clone();
    assert_eq!(
        request(HostRequest::Interrupt { cancel_queued: true }),
        json!({"subtype": "interrupt", "cancel_queued": true})
    );
    assert_eq!(request(HostRequest::McpStatus), json!({"subtype": "mcp_status"}));
    assert_eq!(
        request(HostRequest::McpToggle { server_name: "s".into(), enabled: false }),
        json!({"subtype": "mcp_toggle", "serverName": "s", "enabled": false})
    );
    assert_eq!(
        request(HostRequest::ClaimSession(crate::ClaimSession { cwd: "/w".into(), ..Default::default() })),
        json!({"subtype": "claim_session", "cwd": "/w"})
    );
}

#[test]
fn initialize_says_what_was_asked_for_and_nothing_else() {
    let written = |initialize| {
        read(&control_request("r", &HostRequest::Initialize(Box::new(initialize))))["request"].clone()
    };
    assert_eq!(written(Initialize::default()), json!({"subtype": "initialize"}));
    let matcher = HookMatcher {
        matcher: Some("Bash".into()),
        hook_callback_ids: vec!["h0".into()],
        timeout: Some(5),
        on_failure: OnFailure::Block,
    };
    let initialize = Initialize {
        hooks: BTreeMap::from([("PreToolUse".into(), vec![matcher])]),
        sdk_mcp_servers: vec!["calc".into()],
        system_prompt: Some("be brief".into()),
        json_schema: Some(raw(r#"{"type":"object"}"#)),
        per_task_stop_affordance: true,
        ..Initialize::default()
    };
    assert_eq!(
        written(initialize),
        json!({
            "subtype": "initialize",
            "hooks": {"PreToolUse": [
                {"matcher": "Bash", "hookCallbackIds": ["h0"], "timeout": 5, "onFailure": "block"}]},
            "sdkMcpServers": ["calc"], "systemPrompt": ["be brief"], "jsonSchema": {"type": "object"},
            "perTaskStopAffordance": true,
        })
    );
}

#[test]
fn a_schema_that_no_tree_of_values_can_hold_is_written_as_it_is() {
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for schema in [r#"{"maximum":1e999}"#, deep.as_str()] {
        let initialize = Initialize { json_schema: Some(raw(schema)), ..Initialize::default() };
        let written = control_request("r", &HostRequest::Initialize(Box::new(initialize)));
        assert!(String::from_utf8_lossy(&written).contains(schema));
    }
}

#[test]
fn answers_name_the_question() {
    assert_eq!(
        read(&mcp_answer("q", Some(&raw(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#)))),
        json!({"type": "control_response", "response": {"subtype": "success", "request_id": "q",
               "response": {"mcp_response": {"jsonrpc": "2.0", "id": 1, "result": {}}}}})
    );
    assert_eq!(
        read(&refusal("q", "unknown")),
        json!({"type": "control_response", "response": {"subtype": "error", "request_id": "q", "error": "unknown"}})
    );
    assert_eq!(read(&control_cancel("q")), json!({"type": "control_cancel_request", "request_id": "q"}));
    assert_eq!(read(&keep_alive()), json!({"type": "keep_alive"}));
}

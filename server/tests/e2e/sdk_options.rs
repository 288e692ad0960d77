//! What callers of the SDK know: prompts, schemas, sub-agents, MCP servers, as far as the policy lets them.

use serde_json::{Value, json};
use testing::{Server, ServerBuilder};

use crate::{BINARY, demo, task};

/// Runs a task with these options; gives how it ended.
async fn run(server: &Server, id: &str, prompt: &str, options: Value) -> Value {
    let mut body = task(server, id, prompt);
    body["options"] = options;
    server.submit(&body).await;
    server.get(&format!("/api/v1/tasks/{id}/result?wait=120")).await.1
}

#[tokio::test]
async fn an_answer_follows_its_schema() {
    let server = demo().await;
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
    let options = json!({"output_schema": schema, "append_system_prompt": "Be brief.\nAnd kind."});
    let ended = run(&server, "t", r#"[[tool StructuredOutput {"n": 7}]]"#, options).await;
    assert_eq!(
        (&ended["status"], &ended["result"]["structured_output"]),
        (&json!("completed"), &json!({"n": 7})),
        "{ended}"
    );
    let plain = run(&server, "u", "[[say 7]]", json!({})).await;
    assert_eq!(plain["result"]["structured_output"], Value::Null);
}

#[tokio::test]
async fn tools_that_are_taken_away_are_not_there() {
    let server = demo().await;
    let options = json!({"disallowed_tools": ["Bash"], "tools": ["Bash", "Read"], "effort": "low", "fallback_model": "haiku"});
    let ended = run(&server, "t", "[[bash touch made]] [[say done]]", options).await;
    assert_eq!(ended["status"], "completed", "{ended}");
    assert!(!server.workspace("t").join("made").exists());
}

#[tokio::test]
async fn servers_of_tools_need_the_operators_word() {
    let mcp = json!({"mcp_servers": {"calc": {"command": "python3", "args": ["-c", SERVER]}},
                     "allowed_tools": ["mcp__calc__answer"]});
    let server = demo().await;
    let mut body = task(&server, "t", "[[say no]]");
    body["options"] = mcp.clone();
    let (status, problem) = server.post("/api/v1/tasks", &body).await;
    assert_eq!((status, &problem["code"]), (403, &json!("option_not_allowed")), "{problem}");
    let server = ServerBuilder::demo(BINARY).variable("POLICY_OPTIONS", "mcp_servers").start().await;
    let ended = run(&server, "t", "[[tool mcp__calc__answer {}]] [[say done]]", mcp).await;
    assert_eq!(ended["status"], "completed", "{ended}");
    let events = server.get("/api/v1/tasks/t/events?after=0").await.1;
    let events = events["events"].as_array().cloned().expect("events");
    let result = events.iter().find(|event| event["type"] == "tool_result").expect("a result");
    assert_eq!(
        (&result["data"]["content"], &result["data"]["is_error"]),
        (&json!("42"), &json!(false)),
        "{result}"
    );
}

/// An MCP server with one tool.
const SERVER: &str = r#"
import json, sys
TOOLS = [{"name": "answer", "description": "the answer", "inputSchema": {"type": "object"}}]
for line in sys.stdin:
    m = json.loads(line)
    if "id" not in m:
        continue
    r = {"initialize": {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": "calc", "version": "1"}},
         "tools/list": {"tools": TOOLS},
         "tools/call": {"content": [{"type": "text", "text": "42"}]}}.get(m["method"], {})
    print(json.dumps({"jsonrpc": "2.0", "id": m["id"], "result": r}), flush=True)
"#;

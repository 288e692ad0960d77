use agent::protocol::{AgentDefinition, Initialize, LaunchOptions, Thinking};
use agent::{Agent, AgentEvent, Statement, TurnEnding};
use scripted_model::Scenario;
use serde_json::value::to_raw_value;
use serde_json::{Value, json};

use crate::place::{Extras, Place, allowing};

#[tokio::test]
async fn write_edit_read_and_bash_in_one_turn() {
    let place = Place::new().await;
    let mut session = place.allowed().await;
    let turn = session
        .turn("[[write a.txt one]] [[edit a.txt one=>two]] [[read a.txt]] [[bash cat a.txt > b.txt]] [[say done]]")
        .await;
    assert_eq!(turn.end.ending, TurnEnding::Completed);
    assert_eq!(turn.end.text, "done");
    let results: Vec<_> = turn.results().into_iter().map(|(tool, _, failed)| (tool, failed)).collect();
    assert_eq!(results, ["Write", "Edit", "Read", "Bash"].map(|tool| (tool.to_owned(), false)));
    assert_eq!((place.read("a.txt"), place.read("b.txt")), ("two".into(), "two".into()));
    session.close().await;
}

#[tokio::test]
async fn several_tools_in_one_answer_of_the_model() {
    let place = Place::new().await;
    let mut session = place.allowed().await;
    let turn =
        session.turn("[[par]] [[write a.txt 1]] [[write b.txt 2]] [[bash true]] [[/par]] [[say ok]]").await;
    assert_eq!(turn.results().len(), 3);
    assert_eq!((place.read("a.txt"), place.read("b.txt")), ("1".into(), "2".into()));
    session.close().await;
}

#[tokio::test]
async fn a_line_of_ten_megabytes_arrives_whole() {
    let text = "x".repeat(10 * 1024 * 1024);
    // Too long for a prompt: the model knows it by itself.
    let steps = json!([format!("[[write big.txt {text}]]"), "[[say done]]"]);
    let scenario = json!({"name": "ten megabytes", "rules": [], "default": steps});
    let scenario = Some(scenario.to_string().parse::<Scenario>().unwrap());
    let place = Place::with(Extras { scenario, ..Extras::default() }).await;
    let mut session = place.allowed().await;
    session.send("go");
    session
        .until(|event| {
            matches!(event, AgentEvent::Said(said) if matches!(said.statement, Statement::ToolResult { .. }))
        })
        .await;
    // The conversation is too long for the model now, and the CLI would try to shorten it.
    session.agent.interrupt().await.unwrap();
    let turn = session.end_of_turn().await;
    let input = turn.statements().find_map(|said| match said {
        Statement::ToolUse { input, .. } => Some(input.get().len()),
        _ => None,
    });
    assert!(input.unwrap() > text.len());
    assert_eq!(place.read("big.txt").len(), text.len());
    session.close().await;
}

#[tokio::test]
async fn structured_output_follows_the_schema() {
    let place = Place::new().await;
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
    let mut options = place.options(LaunchOptions::default());
    options.initialize =
        Initialize { json_schema: Some(to_raw_value(&schema).unwrap()), ..Default::default() };
    let mut session = place.open(options, allowing()).await;
    let turn = session.turn(r#"[[tool StructuredOutput {"n": 7}]]"#).await;
    assert_eq!(turn.result()["structured_output"], json!({"n": 7}));
    session.close().await;
}

#[tokio::test]
async fn thinking_is_told_apart_from_text() {
    let place = Place::new().await;
    let launch = LaunchOptions { thinking: Some(Thinking::Adaptive), ..LaunchOptions::default() };
    let mut session = place.open(place.options(launch), allowing()).await;
    let turn = session.turn("[[think hard]] [[say easy]]").await;
    let said: Vec<(&str, &str)> = turn
        .statements()
        .filter_map(|said| match said {
            Statement::Thinking { content, .. } => Some(("thinking", content.as_str())),
            Statement::Text { content, .. } => Some(("text", content.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(said, [("thinking", "hard"), ("text", "easy")]);
    session.close().await;
}

#[tokio::test]
async fn a_sub_agent_of_ours_works_and_its_turn_is_told_apart() {
    let place = Place::new().await;
    let mut options = place.options(LaunchOptions::default());
    options.environment = vec![("CLAUDE_CODE_DISABLE_BACKGROUND_TASKS".into(), "1".into())];
    let reviewer =
        AgentDefinition { description: "reviews".into(), prompt: "review".into(), ..Default::default() };
    options.initialize.agents = [("reviewer".to_owned(), reviewer)].into();
    let mut session = place.open(options, allowing()).await;
    let turn = session.turn("[[agent {{write sub.txt s}}]] [[say main]]").await;
    assert_eq!((turn.end.text.as_str(), place.read("sub.txt").as_str()), ("main", "s"));
    let of_sub_agent = turn.events.iter().any(|event| {
        matches!(event, AgentEvent::Said(said) if said.parent_tool_use_id.is_some()
            && matches!(said.statement, Statement::ToolUse { .. }))
    });
    assert!(of_sub_agent);
    session.close().await;
}

#[tokio::test]
async fn a_background_command_ends_after_its_turn_and_brings_one_that_nobody_sent() {
    let place = Place::new().await;
    let mut session = place.allowed().await;
    let turn = session.turn("[[bashbg sleep 1; echo late > late.txt]] [[say started]]").await;
    assert_eq!(turn.end.text, "started");
    let follow_up = session.end_of_turn().await;
    assert!(follow_up.end.prompts.is_empty());
    assert_eq!(follow_up.result()["origin"]["kind"], "task-notification");
    assert!(follow_up.events.iter().any(|event| matches!(event, AgentEvent::Background { open: 0 })));
    assert_eq!(place.read("late.txt"), "late\n");
    session.close().await;
}

#[tokio::test]
async fn several_turns_share_one_process_and_one_memory() {
    let place = Place::new().await;
    let mut session = place.allowed().await;
    let pid = session.agent.pid();
    session.turn("[[say one]]").await;
    let turn = session.turn("[[history]]").await;
    assert!(turn.end.text.contains("[[say one]]"), "{}", turn.end.text);
    assert_eq!(session.agent.pid(), pid);
    session.close().await;
}

#[tokio::test]
async fn a_message_into_a_running_turn_is_part_of_it() {
    let place = Place::new().await;
    let mut session = place.allowed().await;
    let first = session.send("[[bash sleep 1]] [[say first]]");
    session.called("Bash").await;
    let second = session.send("[[say second]]");
    let turn = session.end_of_turn().await;
    assert_eq!(turn.end.prompts, [first, second]);
    assert!(turn.end.text.contains("second"), "{}", turn.end.text);
    session.close().await;
}

#[tokio::test]
async fn requests_are_answered_during_a_turn_and_a_refusal_says_why() {
    use agent::claude::RequestError;
    use agent::protocol::{Detail, HostRequest};
    let place = Place::new().await;
    let mut session = place.allowed().await;
    session.send("[[bash sleep 1]] [[say ok]]");
    session.called("Bash").await;
    let usage =
        session.agent.request(&HostRequest::GetContextUsage { detail: Detail::Summary }).await.unwrap();
    let usage: Value = serde_json::from_str(usage.unwrap().get()).unwrap();
    assert!(usage["maxTokens"].as_u64().unwrap() > 0, "{usage}");
    let mode = HostRequest::SetPermissionMode { mode: "bypassPermissions".into() };
    let Err(RequestError::Refused(refusal)) = session.agent.request(&mode).await else {
        panic!("not refused")
    };
    assert_eq!(refusal.code.as_deref(), Some("bypass_not_launched"));
    session.end_of_turn().await;
    session.close().await;
}

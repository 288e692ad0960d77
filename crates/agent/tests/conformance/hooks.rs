use agent::protocol::{HookCallback, LaunchOptions, OnFailure};
use agent::{Hook, TurnEnding};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::place::{Place, allowing};

fn input(call: &HookCallback) -> Value {
    serde_json::from_str(call.input.get()).unwrap()
}

#[tokio::test]
async fn hooks_see_a_tool_before_and_after_and_one_may_block_it() {
    let place = Place::new().await;
    let (sender, mut seen) = mpsc::unbounded_channel();
    let after = sender.clone();
    let host = allowing()
        .hook(
            Hook::new("PreToolUse", move |call: HookCallback| {
                let input = input(&call);
                let command = input["tool_input"]["command"].as_str().unwrap().to_owned();
                sender.send(format!("before {command}")).unwrap();
                async move {
                    Ok(if command.contains("forbidden") {
                        json!({"hookSpecificOutput": {"hookEventName": "PreToolUse",
                               "permissionDecision": "deny", "permissionDecisionReason": "house rule"}})
                    } else {
                        json!({})
                    })
                }
            })
            .matching("Bash"),
        )
        .hook(Hook::new("PostToolUse", move |call: HookCallback| {
            after.send(format!("after {}", input(&call)["tool_name"].as_str().unwrap())).unwrap();
            async { Ok(json!({})) }
        }));
    let mut session = place.open(place.options(LaunchOptions::default()), host).await;
    let turn = session.turn("[[bash echo fine]] [[bash echo forbidden]] [[say done]]").await;
    let results = turn.results();
    assert_eq!((results[0].1.as_str(), results[0].2), ("fine", false));
    assert!(results[1].1.contains("house rule") && results[1].2, "{results:?}");
    session.close().await;
    let mut heard = Vec::new();
    while let Ok(line) = seen.try_recv() {
        heard.push(line);
    }
    assert_eq!(heard, ["before echo fine", "after Bash", "before echo forbidden"]);
}

async fn with_a_hook_that_fails(on_failure: OnFailure) -> (bool, TurnEnding) {
    let place = Place::new().await;
    let mut hook = Hook::new("PreToolUse", async |_: HookCallback| Err("broken".to_owned()));
    hook.on_failure = on_failure;
    let mut session = place.open(place.options(LaunchOptions::default()), allowing().hook(hook)).await;
    let turn = session.turn("[[write a.txt x]] [[say done]]").await;
    session.close().await;
    (place.has("a.txt"), turn.end.ending)
}

#[tokio::test]
async fn a_hook_that_fails_blocks_unless_it_is_said_to_allow() {
    assert_eq!(with_a_hook_that_fails(OnFailure::Block).await, (false, TurnEnding::Completed));
    assert_eq!(with_a_hook_that_fails(OnFailure::Allow).await, (true, TurnEnding::Completed));
}

#[tokio::test]
async fn a_prompt_may_be_refused_by_a_hook() {
    let place = Place::new().await;
    let host = allowing().hook(Hook::new("UserPromptSubmit", async |_: HookCallback| {
        Ok(json!({"decision": "block", "reason": "not now"}))
    }));
    let mut session = place.open(place.options(LaunchOptions::default()), host).await;
    session.send("[[write a.txt x]]");
    let turn = session.end_of_turn().await;
    assert_eq!(turn.result()["num_turns"], 0);
    assert!(!place.has("a.txt"));
    session.close().await;
}

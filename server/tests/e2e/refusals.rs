//! What a task's options do not allow is refused at once, and everybody sees why.

use serde_json::{Value, json};
use testing::Finished;

use crate::{demo, task};

fn tool_results(finished: &Finished) -> Vec<(Value, Value, String)> {
    finished
        .events()
        .into_iter()
        .filter(|event| event["type"] == "tool_result")
        .map(|event| {
            let data = &event["data"];
            (
                data["tool_name"].clone(),
                data["is_error"].clone(),
                data["content"].as_str().expect("text").to_owned(),
            )
        })
        .collect()
}

async fn run(prompt: &str, options: Value) -> (Finished, bool) {
    let server = demo().await;
    let mut body = task(&server, "refused", prompt);
    body["options"] = options;
    server.submit(&body).await;
    let finished = server.stream("refused", "").await.finish().await;
    assert_eq!(finished.assert_whole()["status"], json!("completed"));
    (finished, server.workspace("refused").join("a.txt").exists())
}

#[tokio::test]
async fn a_tool_that_is_not_named_is_refused_whatever_the_mode_would_do() {
    for mode in ["acceptEdits", "default"] {
        let options = json!({"allowed_tools": ["Read"], "permission_mode": mode});
        let (finished, written) = run("[[write a.txt x]] [[bash touch a.txt]]", options).await;
        let results = tool_results(&finished);
        for (result, tool) in results.iter().zip(["Write", "Bash"]) {
            assert_eq!((&result.0, &result.1), (&json!(tool), &json!(true)));
            let reason =
                format!("{tool} was refused: this task allows Read and runs in permission mode {mode}");
            assert!(result.2.starts_with(&reason), "{}", result.2);
        }
        assert_eq!((results.len(), written), (2, false));
    }
}

#[tokio::test]
async fn plan_mode_writes_nothing() {
    let (finished, written) = run("[[write a.txt x]]", json!({"permission_mode": "plan"})).await;
    assert_eq!((&tool_results(&finished)[0].1, written), (&json!(true), false));
}

#[tokio::test]
async fn a_rule_allows_what_it_covers_and_nothing_else() {
    let options = json!({"allowed_tools": ["Bash(echo *)"], "permission_mode": "default"});
    let (finished, written) = run("[[bash echo covered]] [[bash touch a.txt]]", options).await;
    let results = tool_results(&finished);
    assert_eq!((&results[0].1, results[0].2.as_str()), (&json!(false), "covered"));
    assert_eq!((&results[1].1, written), (&json!(true), false));
}

#[tokio::test]
async fn a_question_that_nobody_can_answer_is_answered_at_once() {
    let (finished, _) = run("[[ask Which one?|This|That]]", json!({})).await;
    let (tool, is_error, reason) = tool_results(&finished).remove(0);
    assert_eq!((tool, is_error), (json!("AskUserQuestion"), json!(true)));
    assert!(reason.contains("nobody is there to answer questions"), "{reason}");
}

#[tokio::test]
async fn a_prompt_is_text_and_never_a_command_of_the_cli() {
    for prompt in ["/cost", "/clear", "@/etc/hostname"] {
        let (finished, _) = run(prompt, json!({})).await;
        let said: Vec<_> = finished
            .events()
            .into_iter()
            .filter(|event| event["data"]["message_type"] == "assistant")
            .map(|event| event["data"]["content"].as_str().expect("text").to_owned())
            .collect();
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].starts_with(&format!("Echo: {prompt}")), "{said:?}");
    }
}

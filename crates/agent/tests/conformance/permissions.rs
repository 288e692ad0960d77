use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use agent::claude::Phase;
use agent::protocol::{CanUseTool, LaunchOptions, PermissionAnswer};
use agent::{Host, TurnEnding};
use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::place::{Place, allowing};

fn allow_with(input: &Value) -> PermissionAnswer {
    PermissionAnswer::Allow { updated_input: Some(to_raw_value(input).unwrap()), updated_permissions: vec![] }
}

#[tokio::test]
async fn a_denied_tool_does_not_run_and_the_model_reads_why() {
    let place = Place::new().await;
    let host =
        Host::new(async |ask: CanUseTool| PermissionAnswer::deny(format!("no {} today", ask.tool_name)));
    let mut session = place.open(place.options(LaunchOptions::default()), host).await;
    let turn = session.turn("[[write a.txt x]] [[say done]]").await;
    assert_eq!(turn.results(), [("Write".to_owned(), "no Write today".to_owned(), true)]);
    assert!(!place.has("a.txt"));
    assert_eq!(turn.end.ending, TurnEnding::Completed);
    session.close().await;
}

#[tokio::test]
async fn a_denial_may_end_the_turn_and_the_process_goes_on() {
    let place = Place::new().await;
    let host =
        Host::new(async |_: CanUseTool| PermissionAnswer::Deny { message: "stop".into(), interrupt: true });
    let mut session = place.open(place.options(LaunchOptions::default()), host).await;
    let turn = session.turn("[[write a.txt x]] [[say done]]").await;
    assert_eq!(turn.end.ending, TurnEnding::Aborted);
    assert_eq!(session.turn("[[say again]]").await.end.text, "again");
    session.close().await;
}

#[tokio::test]
async fn a_changed_input_is_what_runs() {
    let place = Place::new().await;
    let host = Host::new(async |ask: CanUseTool| {
        let mut input: Value = serde_json::from_str(ask.input.get()).unwrap();
        input["content"] = json!("changed");
        allow_with(&input)
    });
    let mut session = place.open(place.options(LaunchOptions::default()), host).await;
    session.turn("[[write a.txt asked]] [[say done]]").await;
    assert_eq!(place.read("a.txt"), "changed");
    session.close().await;
}

#[tokio::test]
async fn allowing_for_the_session_asks_once() {
    let place = Place::new().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let host = Host::new(move |ask: CanUseTool| {
        count.fetch_add(1, Ordering::Relaxed);
        let updated_permissions =
            ask.permission_suggestions.into_iter().map(|update| update.for_session()).collect();
        async move { PermissionAnswer::Allow { updated_input: None, updated_permissions } }
    });
    let mut session = place.open(place.options(LaunchOptions::default()), host).await;
    session.turn("[[write a.txt 1]] [[write b.txt 2]] [[say done]]").await;
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    assert!(place.has("b.txt") && !place.has(".claude"), "nothing is written into the repository");
    session.close().await;
}

#[tokio::test]
async fn a_question_is_answered_by_the_host() {
    let place = Place::new().await;
    let host = Host::new(async |ask: CanUseTool| {
        assert!(ask.requires_user_interaction);
        let mut input: Value = serde_json::from_str(ask.input.get()).unwrap();
        let question = input["questions"][0]["question"].as_str().unwrap().to_owned();
        input["answers"] = json!({question: "blue"});
        allow_with(&input)
    });
    let mut session = place.open(place.options(LaunchOptions::default()), host).await;
    let turn = session.turn("[[ask Which colour?|red|blue]] [[say done]]").await;
    let results = turn.results();
    assert!(results[0].1.contains("blue") && !results[0].2, "{results:?}");
    session.close().await;
}

#[tokio::test]
async fn plan_mode_ends_when_the_host_approves_the_plan() {
    let place = Place::new().await;
    let launch = LaunchOptions { permission_mode: Some("plan"), ..LaunchOptions::default() };
    let (sender, mut asked) = mpsc::unbounded_channel();
    let host = Host::new(move |ask: CanUseTool| {
        sender.send(ask.tool_name).unwrap();
        async { PermissionAnswer::allow() }
    });
    let mut session = place.open(place.options(launch), host).await;
    session.turn(r#"[[tool ExitPlanMode {"plan": "write it"}]] [[write a.txt x]] [[say done]]"#).await;
    assert_eq!(asked.recv().await.as_deref(), Some("ExitPlanMode"));
    assert_eq!(place.read("a.txt"), "x");
    session.close().await;
}

#[tokio::test]
async fn a_slow_answer_holds_up_nothing_and_a_panic_is_a_refusal() {
    let place = Place::new().await;
    let (release, released) = tokio::sync::watch::channel(false);
    let host = Host::new(move |ask: CanUseTool| {
        let mut released = released.clone();
        async move {
            assert!(ask.tool_name != "Bash", "this host fails on Bash");
            released.wait_for(|free| *free).await.unwrap();
            PermissionAnswer::allow()
        }
    });
    let mut session = place.open(place.options(LaunchOptions::default()), host).await;
    let mut phase = session.agent.phase();
    session.send("[[write a.txt x]] [[bash touch b.txt]] [[say done]]");
    phase.wait_for(|phase| *phase == Phase::AwaitingAnswer).await.unwrap();
    let cost = agent::protocol::HostRequest::GetSessionCost;
    session.agent.request(&cost).await.unwrap();
    release.send(true).unwrap();
    let turn = session.end_of_turn().await;
    let results = turn.results();
    assert_eq!((place.read("a.txt").as_str(), results[0].2, results[1].2), ("x", false, true));
    assert!(results[1].1.contains("the host failed to answer"), "{results:?}");
    assert!(!place.has("b.txt"));
    phase.wait_for(|phase| *phase == Phase::Ready).await.unwrap();
    session.close().await;
    assert_eq!(*phase.borrow(), Phase::Ended);
}

#[tokio::test]
async fn text_is_no_command_unless_the_caller_says_so() {
    use agent::protocol::{Priority, Prompt, PromptContent, Reading};
    let place = Place::new().await;
    let mut session = place.open(place.options(LaunchOptions::default()), allowing()).await;
    let turn = session.turn("/cost").await;
    assert!(turn.result().get("local_command").is_none(), "{}", turn.result());
    let command = Prompt {
        uuid: uuid::Uuid::new_v4(),
        content: PromptContent::Text("/cost".into()),
        reading: Reading::Terminal,
        priority: Priority::Next,
    };
    session.agent.send(&command).unwrap();
    let turn = session.end_of_turn().await;
    assert_eq!(turn.result()["num_turns"], 0, "{}", turn.result());
    session.close().await;
}

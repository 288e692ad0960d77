use agent::{Agent, AgentEvent, ApiError, Launcher, Opening, TurnEnding, Urgency};
use domain::{ConversationId, Principal};
use rustix::process::{Pid, Signal, kill_process};
use scripted_model::RecordedRequest;

use crate::place::{Place, Session, until};

const GO_ON: &str = "Continue from where you left off.";

/// Kills an agent as a machine that loses power does, once its prompt is on disk, it has called a tool, and the model has been
/// asked to go on: what the model does once is used up by then.
async fn kill_in_mid_turn(place: &Place, script: &str) -> (ConversationId, uuid::Uuid) {
    let mut session = place.allowed().await;
    let prompt = session.send(script);
    session.called("Bash").await;
    let (id, principal) = (session.conversation, Principal::default());
    until("the tool's end on disk", || place.transcript(id.0).contains("tool_result")).await;
    assert!(place.launcher.has_prompt(&principal, id, prompt).await);
    until("the model's second request", || {
        let requests = place.model.requests();
        let of_turn =
            |request: &&RecordedRequest| request.last_user_text == script && !request.tools.is_empty();
        requests.iter().filter(of_turn).count() == 2
    })
    .await;
    let pid = i32::try_from(session.agent.pid()).ok().and_then(Pid::from_raw).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    session.until(|event| matches!(event, AgentEvent::Exited(_))).await;
    session.agent.stop(Urgency::Now).await;
    (id, prompt)
}

fn was_resumed(session: &Session<dyn Agent>) -> bool {
    session.seen.iter().any(|event| matches!(event, AgentEvent::TurnResumed))
}

#[tokio::test]
async fn a_turn_whose_agent_was_killed_is_run_to_its_end_without_a_prompt_and_no_call_is_repeated() {
    for pause in ["[[hang 1]]", "[[stall 5000]]"] {
        let place = Place::new().await;
        let script = format!("[[bash echo a >> log]] {pause} [[bash echo b >> log]] [[say done]]");
        let (id, prompt) = kill_in_mid_turn(&place, &script).await;
        let mut session = place.launch(place.spec(Opening::ResumeTurn(id))).await;
        assert!(was_resumed(&session));
        let turn = session.end_of_turn().await;
        assert_eq!((turn.end.prompts.as_slice(), turn.end.text.as_str()), ([prompt].as_slice(), "done"));
        assert_eq!(turn.result()["resume_reason"], "interrupted_turn");
        assert_eq!(place.read("log"), "a\nb\n");
        assert_eq!(session.turn("[[say next]]").await.end.text, "next");
        session.close().await;
    }
}

#[tokio::test]
async fn a_turn_that_is_run_again_can_be_interrupted() {
    let place = Place::new().await;
    let (id, prompt) = kill_in_mid_turn(&place, "[[bash true]] [[hang]]").await;
    let mut session = place.launch(place.spec(Opening::ResumeTurn(id))).await;
    assert!(was_resumed(&session));
    session.agent.interrupt().await.unwrap();
    let end = session.end_of_turn().await.end;
    assert_eq!((end.prompts, end.ending), (vec![prompt], TurnEnding::Aborted));
    assert_eq!(session.turn("[[say next]]").await.end.text, "next");
    session.close().await;
}

#[tokio::test]
async fn an_orderly_stop_interrupts_a_turn_that_is_run_again() {
    let place = Place::new().await;
    let (id, _) = kill_in_mid_turn(&place, "[[bash true]] [[hang]]").await;
    let session = place.launch(place.spec(Opening::ResumeTurn(id))).await;
    let receipt = session.agent.stop(Urgency::Orderly).await;
    assert_eq!((receipt.interrupted, receipt.processes_left), (true, 0));
}

#[tokio::test]
async fn with_no_turn_to_run_again_the_agent_waits_for_a_prompt() {
    let place = Place::new().await;
    let id = ConversationId::generate();
    let mut session = place.launch(place.spec(Opening::New(id))).await;
    session.turn("[[say first]]").await;
    session.close().await;
    let mut session = place.launch(place.spec(Opening::ResumeTurn(id))).await;
    assert!(!was_resumed(&session));
    assert_eq!(session.turn("[[say second]]").await.end.text, "second");
    session.close().await;
}

/// Ends a turn with a rate limit that the CLI does not wait for.
async fn run_into_a_limit(place: &Place) -> (ConversationId, uuid::Uuid) {
    let mut session = place.launch(place.spec(Opening::New(ConversationId::generate()))).await;
    let script = "[[bash echo a >> log]] [[error 429 1 retry-after=90]] [[bash echo b >> log]] [[say done]]";
    let end = session.turn(script).await.end;
    let error = ApiError { status: Some(429), kind: "rate_limit_error".into() };
    assert_eq!(end.api_error, Some(error));
    let id = session.conversation;
    session.close().await;
    (id, end.prompts[0])
}

#[tokio::test]
async fn a_turn_that_met_a_rate_limit_goes_on_when_it_is_resumed_and_told_to() {
    let place = Place::new().await;
    let (id, _) = run_into_a_limit(&place).await;
    let mut session = place.launch(place.spec(Opening::Resume(id))).await;
    assert_eq!(session.turn(GO_ON).await.end.text, "done");
    assert_eq!(place.read("log"), "a\nb\n");
    session.close().await;
}

#[tokio::test]
async fn a_turn_that_met_a_rate_limit_is_run_again_too() {
    let place = Place::new().await;
    let (id, prompt) = run_into_a_limit(&place).await;
    let mut session = place.launch(place.spec(Opening::ResumeTurn(id))).await;
    assert!(was_resumed(&session));
    let end = session.end_of_turn().await.end;
    assert_eq!((end.prompts, end.text.as_str()), (vec![prompt], "done"));
    assert_eq!(place.read("log"), "a\nb\n");
    session.close().await;
}

#[tokio::test]
async fn what_becomes_of_a_command_that_was_running_depends_on_who_asks_to_go_on() {
    let script = "[[bash echo a >> log]] [[bash echo b >> log; test -e go || exec sleep 600]] [[say done]]";
    for (opening, log) in [
        // The model is told that the outcome is unknown.
        (Opening::Resume as fn(_) -> _, "a\nb\n"),
        // The call is forgotten, and made again.
        (Opening::ResumeTurn, "a\nb\nb\n"),
    ] {
        let place = Place::new().await;
        let mut session = place.allowed().await;
        session.send(script);
        until("the second command", || place.has("log") && place.read("log") == "a\nb\n").await;
        until("the second call on disk", || {
            place.transcript(session.conversation.0).contains("sleep 600\",")
        })
        .await;
        let pid = i32::try_from(session.agent.pid()).ok().and_then(Pid::from_raw).unwrap();
        kill_process(pid, Signal::KILL).unwrap();
        session.until(|event| matches!(event, AgentEvent::Exited(_))).await;
        session.agent.stop(Urgency::Now).await;
        std::fs::write(place.work().join("go"), "").unwrap();
        let id = session.conversation;
        drop(session);
        let mut session = place.launch(place.spec(opening(id))).await;
        if matches!(opening(id), Opening::Resume(_)) {
            session.prompt(GO_ON).await;
        }
        assert_eq!(session.end_of_turn().await.end.text, "done");
        assert_eq!(place.read("log"), log);
        session.close().await;
    }
}

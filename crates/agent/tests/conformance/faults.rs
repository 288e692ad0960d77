use agent::protocol::LaunchOptions;
use agent::{Agent, AgentEvent, TurnEnding, Urgency};

use crate::place::{Place, Session, Turn, allowing};

/// An agent that tries a call of the model again once.
async fn impatient(place: &Place) -> Session {
    let mut options = place.options(LaunchOptions { partial_messages: true, ..LaunchOptions::default() });
    options.environment = vec![("CLAUDE_CODE_MAX_RETRIES".into(), "1".into())];
    place.open(options, allowing()).await
}

fn retries(turn: &Turn) -> Vec<Option<u16>> {
    let status = |event: &AgentEvent| match event {
        AgentEvent::Retrying { status, .. } => Some(*status),
        _ => None,
    };
    turn.events.iter().filter_map(status).collect()
}

#[tokio::test]
async fn a_refused_key_is_noticed_at_the_first_try() {
    let place = Place::new().await;
    let mut session = impatient(&place).await;
    session.send("[[error 401]]");
    session.until(|event| matches!(event, AgentEvent::Retrying { status: Some(401), attempt: 1, .. })).await;
    session.agent.interrupt().await.unwrap();
    assert_eq!(session.end_of_turn().await.end.ending, TurnEnding::Aborted);
    session.close().await;
}

#[tokio::test]
async fn rate_limits_and_overload_are_ridden_out() {
    for status in [429, 529] {
        let place = Place::new().await;
        let mut session = impatient(&place).await;
        let turn = session.turn(&format!("[[error {status} 1]] [[say through]]")).await;
        assert_eq!((turn.end.text.as_str(), retries(&turn)), ("through", vec![Some(status)]));
        assert!(turn.reported("api_retry"));
        session.close().await;
    }
}

#[tokio::test]
async fn overload_that_lasts_fails_the_turn_with_its_status_and_the_process_goes_on() {
    let place = Place::new().await;
    let mut session = impatient(&place).await;
    let turn = session.turn("[[error 529]]").await;
    let TurnEnding::Failed(reason) = &turn.end.ending else { panic!("{:?}", turn.end) };
    assert!(reason.contains("529"), "{reason}");
    assert_eq!(turn.result()["api_error_status"], 529);
    assert_eq!(session.turn("[[say again]]").await.end.text, "again");
    session.close().await;
}

#[tokio::test]
async fn a_model_that_cannot_be_reached_fails_the_turn() {
    let place = Place::new().await;
    // Nobody listens there: the port was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut options = place.options(LaunchOptions::default());
    options.environment = vec![
        ("CLAUDE_CODE_MAX_RETRIES".into(), "1".into()),
        ("ANTHROPIC_BASE_URL".into(), format!("http://127.0.0.1:{port}")),
    ];
    let mut session = place.open(options, allowing()).await;
    let turn = session.turn("[[say never]]").await;
    assert_eq!(retries(&turn), [None]);
    assert!(matches!(turn.end.ending, TurnEnding::Failed(_)), "{:?}", turn.end);
    session.close().await;
}

#[tokio::test]
async fn a_stream_that_is_cut_is_taken_up_again() {
    let place = Place::new().await;
    let mut session = impatient(&place).await;
    let turn = session.turn("[[cut 1]] [[say whole]]").await;
    assert_eq!((turn.end.text.as_str(), turn.end.ending), ("whole", TurnEnding::Completed));
    session.close().await;
}

#[tokio::test]
async fn an_agent_that_cannot_start_tells_why() {
    let place = Place::new().await;
    let launch = LaunchOptions { permission_mode: Some("no-such-mode"), ..LaunchOptions::default() };
    let (agent, mut events) = place.launcher.start(place.options(launch), allowing()).await.unwrap();
    let batch = events.batch(10).await;
    let Some(AgentEvent::Exited(exit)) = batch.last() else { panic!("{batch:?}") };
    assert_eq!(exit.code, Some(1));
    assert!(exit.stderr_tail.contains("no-such-mode"), "{}", exit.stderr_tail);
    agent.stop(Urgency::Now).await;
}

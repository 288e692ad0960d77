use std::time::Duration;

use agent::protocol::{Conversation, LaunchOptions};
use agent::{Agent, AgentEvent, Host, LaunchError, TurnEnding, Urgency};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::time::timeout;
use uuid::Uuid;

use crate::place::{PATIENCE, Place, Session, allowing, until};

fn launch(conversation: Conversation) -> LaunchOptions {
    LaunchOptions { conversation, ..LaunchOptions::default() }
}

async fn open(place: &Place, conversation: Conversation) -> Session {
    place.open(place.options(launch(conversation)), allowing()).await
}

#[tokio::test]
async fn a_closed_conversation_is_resumed_with_its_memory() {
    let place = Place::new().await;
    let id = Uuid::new_v4();
    let mut session = open(&place, Conversation::New(id)).await;
    session.turn("[[say first]]").await;
    session.close().await;
    let mut session = open(&place, Conversation::Resume(id)).await;
    let turn = session.turn("[[history]]").await;
    assert!(turn.end.text.contains("[[say first]]"), "{}", turn.end.text);
    session.close().await;
}

#[tokio::test]
async fn a_conversation_killed_in_mid_turn_is_resumed_with_its_prompt() {
    let place = Place::new().await;
    let id = Uuid::new_v4();
    let mut session = open(&place, Conversation::New(id)).await;
    session.turn("[[say first]]").await;
    session.send("[[bash bash -c 'sleep 600 & wait']] [[say never]]");
    session.called("Bash").await;
    // The CLI writes a prompt down some time after it has taken it.
    until("the prompt on disk", || place.transcript(id).contains("sleep 600")).await;
    let pid = i32::try_from(session.agent.pid()).ok().and_then(Pid::from_raw).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    session.until(|event| matches!(event, AgentEvent::Exited(exit) if exit.signal == Some(9))).await;
    assert_eq!(session.agent.stop(Urgency::Now).await.processes_left, 0);
    drop(session);
    let mut session = open(&place, Conversation::Resume(id)).await;
    let turn = session.turn("[[history]]").await;
    assert!(turn.end.text.contains("[[say first]]") && turn.end.text.contains("sleep 600"));
    assert_eq!(turn.end.ending, TurnEnding::Completed);
    session.close().await;
}

/// As a CLI leaves it that was killed when the model API had just failed it, and whose successor was killed before it had noted
/// how far it was: the last note is about a branch without the second prompt.
#[tokio::test]
async fn a_conversation_goes_on_after_its_last_message_whatever_its_agent_had_noted() {
    let place = Place::new().await;
    let id = Uuid::new_v4();
    let mut session = open(&place, Conversation::New(id)).await;
    session.turn("[[say first]]").await;
    session.close().await;
    let mut session = open(&place, Conversation::Resume(id)).await;
    session.turn("[[say second]]").await;
    session.close().await;
    let mut lines: Vec<Value> =
        place.transcript(id).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let second =
        lines.iter().position(|line| line.to_string().contains("[[say second]]") && line["type"] == "user");
    let parent = lines[second.unwrap()]["parentUuid"].clone();
    lines.retain(|line| line["type"] != "last-prompt");
    let failed = Uuid::new_v4();
    let failure = json!({"parentUuid": parent, "isSidechain": false, "type": "system", "subtype": "api_error", "level": "error",
        "uuid": failed, "timestamp": "2026-11-26T05:22:25.000Z", "sessionId": id, "userType": "external"});
    let note =
        json!({"type": "last-prompt", "lastPrompt": "[[say first]]", "leafUuid": failed, "sessionId": id});
    let after = lines.iter().position(|line| line["uuid"] == parent).unwrap() + 1;
    lines.splice(after..after, [note, failure]);
    place.write_transcript(id, &lines.iter().map(|line| format!("{line}\n")).collect::<String>());
    let mut session = open(&place, Conversation::Resume(id)).await;
    let history = session.turn("[[history]]").await.end.text;
    assert!(history.contains("[[say first]]") && history.contains("[[say second]]"), "{history}");
    session.close().await;
}

#[tokio::test]
async fn a_fork_remembers_and_leaves_the_original_alone() {
    let place = Place::new().await;
    let (id, copy) = (Uuid::new_v4(), Uuid::new_v4());
    let mut session = open(&place, Conversation::New(id)).await;
    session.turn("[[say first]]").await;
    session.close().await;
    let mut fork = open(&place, Conversation::Fork { from: id, to: Some(copy) }).await;
    assert!(fork.turn("[[history]]").await.end.text.contains("[[say first]]"));
    fork.turn("[[say in the fork]]").await;
    fork.close().await;
    let mut session = open(&place, Conversation::Resume(id)).await;
    let history = session.turn("[[history]]").await.end.text;
    assert!(history.contains("[[say first]]") && !history.contains("fork"), "{history}");
    session.close().await;
}

#[tokio::test]
async fn the_newest_conversation_of_the_folder_goes_on_and_without_one_a_new_one_begins() {
    let place = Place::new().await;
    let mut session = open(&place, Conversation::Continue).await;
    session.turn("[[say first]]").await;
    let options = place.options(launch(Conversation::Continue));
    let error = place.try_open(options, Host::denying()).await.err();
    assert!(matches!(error, Some(LaunchError::ConversationInUse)), "{error:?}");
    session.close().await;
    let mut session = open(&place, Conversation::Continue).await;
    let history = session.turn("[[history]]").await.end.text;
    assert!(history.contains("[[say first]]"), "{history}");
    session.close().await;
}

#[tokio::test]
async fn a_lost_conversation_is_an_error_and_no_empty_one() {
    let place = Place::new().await;
    let options = place.options(launch(Conversation::Resume(Uuid::new_v4())));
    let error = place.try_open(options, Host::denying()).await.err();
    assert!(matches!(error, Some(LaunchError::ConversationLost)), "{error:?}");
}

#[tokio::test]
async fn a_conversation_has_one_writer() {
    let place = Place::new().await;
    let id = Uuid::new_v4();
    let session = open(&place, Conversation::New(id)).await;
    let options = place.options(launch(Conversation::Resume(id)));
    let error = place.try_open(options, Host::denying()).await.err();
    assert!(matches!(error, Some(LaunchError::ConversationInUse)), "{error:?}");
    // Let go of without a stop: killed, and free as soon as it is gone.
    let pid = session.agent.pid();
    drop(session);
    let freed = async {
        loop {
            let options = place.options(launch(Conversation::Resume(id)));
            match place.launcher.start(options, Host::denying()).await.err() {
                Some(LaunchError::ConversationInUse) => tokio::time::sleep(Duration::from_millis(5)).await,
                other => return other,
            }
        }
    };
    let error = timeout(PATIENCE, freed).await.unwrap();
    assert!(matches!(error, Some(LaunchError::ConversationLost)), "it had no prompt: {error:?}");
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "its writer is gone");
}

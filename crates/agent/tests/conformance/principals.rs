use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use agent::{AgentSpec, LaunchError, Launcher, Opening};
use domain::{ConversationId, Principal};
use tokio::time::timeout;
use uuid::Uuid;

use crate::place::{Place, Session};

fn principal(name: &str) -> Principal {
    Principal::parse(name).unwrap()
}

#[tokio::test]
async fn conversations_are_their_principals_own() {
    let place = Place::new().await;
    let id = ConversationId::generate();
    // The longest name there is, with every kind of character.
    let ann = principal(&format!("Ann.B_c:d-{}", "x".repeat(118)));
    let spec = AgentSpec { principal: ann.clone(), ..place.spec(Opening::New(id)) };
    let mut session = place.launch(spec.clone()).await;
    assert_eq!(session.turn("[[bash echo $HOME > home.txt]] [[say mine]]").await.end.text, "mine");
    session.close().await;
    assert_eq!(place.read("home.txt").trim(), place.kept(&ann).join("home").to_str().unwrap());
    let mode = std::fs::metadata(place.kept(&ann)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let stolen = AgentSpec { opening: Opening::Resume(id), principal: principal("bob"), ..spec.clone() };
    let error = place.launcher.launch(stolen).await.err();
    assert!(matches!(error, Some(LaunchError::ConversationLost)), "{error:?}");
    let mut session = place.launch(AgentSpec { opening: Opening::Resume(id), ..spec }).await;
    assert!(session.turn("[[history]]").await.end.text.contains("[[say mine]]"));
    session.close().await;
}

#[tokio::test]
async fn a_conversation_is_known_by_its_prompts_until_it_is_forgotten() {
    let place = Place::new().await;
    let (default, other) = (Principal::default(), principal("other"));
    let (id, launcher) = (ConversationId::generate(), &place.launcher);
    assert!(!launcher.has_conversation(&default, id).await);
    let mut session = place.launch(place.spec(Opening::New(id))).await;
    let first = session.prompt("[[bash head -c 300000 /dev/zero | tr '\\0' x]] [[say done]]").await;
    session.end_of_turn().await;
    let second = session.turn("[[write a.txt x]] [[say again]]").await.end.prompts[0];
    let mut forgetting = launcher.forget(&default, id);
    assert!(timeout(Duration::from_millis(50), &mut forgetting).await.is_err(), "it is being written");
    assert!(launcher.has_conversation(&default, id).await);
    // Else it would go on as soon as nobody writes.
    drop(forgetting);
    session.close().await;
    for prompt in [first, second] {
        assert!(launcher.has_prompt(&default, id, prompt).await);
        assert!(!launcher.has_prompt(&other, id, prompt).await);
    }
    assert!(!launcher.has_prompt(&default, id, Uuid::new_v4()).await);
    assert!(names_of(&place, id) > 1, "a transcript and the large answer of a tool");
    launcher.forget(&default, id).await;
    assert!(!launcher.has_conversation(&default, id).await);
    assert!(!launcher.has_prompt(&default, id, first).await);
    assert_eq!(names_of(&place, id), 0);
    launcher.forget(&default, id).await;
}

/// Files and folders of the default principal that are named after the conversation.
fn names_of(place: &Place, id: ConversationId) -> usize {
    let mut folders = vec![place.kept(&Principal::default())];
    let mut found = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            found += usize::from(entry.file_name().to_string_lossy().starts_with(&id.to_string()));
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            }
        }
    }
    found
}

#[tokio::test]
async fn a_fork_is_a_conversation_of_its_own() {
    let place = Place::new().await;
    let (from, to) = (ConversationId::generate(), ConversationId::generate());
    let mut session = place.launch(place.spec(Opening::New(from))).await;
    let first = session.turn("[[say first]]").await.end.prompts[0];
    session.close().await;
    let mut fork = place.launch(place.spec(Opening::Fork { from, to })).await;
    assert_eq!(fork.conversation, to);
    let second = fork.turn("[[history]]").await;
    assert!(second.end.text.contains("[[say first]]"));
    fork.close().await;
    let default = Principal::default();
    assert!(place.launcher.has_prompt(&default, to, second.end.prompts[0]).await);
    assert!(!place.launcher.has_prompt(&default, from, second.end.prompts[0]).await);
    assert!(place.launcher.has_prompt(&default, from, first).await);
}

#[tokio::test]
async fn a_budget_is_one_of_the_agent_and_not_of_its_conversation() {
    let place = Place::new().await;
    let id = ConversationId::generate();
    let limited = |opening| AgentSpec { max_budget_usd: Some(0.01), ..place.spec(opening) };
    let mut session = place.launch(limited(Opening::New(id))).await;
    let spent = session.turn("[[usage 100000 1000]] [[bash true]] [[bash true]] [[say done]]").await;
    assert_eq!(spent.end.subtype, "error_max_budget_usd");
    let again = session.turn("[[say again]]").await;
    assert_eq!(again.end.subtype, "error_max_budget_usd");
    session.close().await;
    let mut session: Session<_> = place.launch(limited(Opening::Resume(id))).await;
    assert_eq!(session.turn("[[usage 10 10]] [[say again]]").await.end.text, "again");
    session.close().await;
}

use std::path::Path;
use std::time::{Duration, Instant};

use agent::protocol::{CanUseTool, Delta, LaunchOptions, PermissionAnswer, StreamEvent};
use agent::{Agent, AgentEvent, Host, Opening, Rung, TurnEnding, Urgency};
use domain::ConversationId;

use tokio::time::timeout;

use crate::place::{PATIENCE, Place, until};

/// Living processes whose command line holds `text`.
fn running(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if entry.file_name().to_string_lossy().parse::<u32>().is_ok()
            && line.contains(text)
            && !Path::new(&entry.path()).ends_with(std::process::id().to_string())
        {
            found.push(line);
        }
    }
    found
}

#[tokio::test]
async fn in_a_text_that_is_being_written() {
    let place = Place::new().await;
    let launch = LaunchOptions { partial_messages: true, ..LaunchOptions::default() };
    let mut session = place.open(place.options(launch), Host::denying()).await;
    session.send("[[stream 10000 5]]");
    let mut pieces = session.agent.pieces();
    let text = async {
        loop {
            if let StreamEvent::BlockDelta { delta: Delta::Text(text), .. } = &*pieces.recv().await.unwrap() {
                return text.clone();
            }
        }
    };
    assert!(timeout(PATIENCE, text).await.unwrap().contains("tok"));
    let start = Instant::now();
    session.agent.interrupt().await.unwrap();
    let turn = session.end_of_turn().await;
    assert_eq!(turn.end.ending, TurnEnding::Aborted);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!(session.turn("[[say again]]").await.end.text, "again");
    session.close().await;
}

#[tokio::test]
async fn in_a_command_with_children_leaves_none_and_the_process_takes_the_next_prompt() {
    let place = Place::new().await;
    let mut session = place.allowed().await;
    // A number that no other process has in its command line.
    let number = format!("600.{}", std::process::id());
    session.send(&format!("[[bash bash -c 'sleep {number} & sleep {number}; wait']] [[say never]]"));
    let sleep = format!("sleep {number}");
    until("two sleeping processes", || {
        running(&sleep).iter().filter(|line| line.starts_with("sleep")).count() == 2
    })
    .await;
    let start = Instant::now();
    session.agent.interrupt().await.unwrap();
    let turn = session.end_of_turn().await;
    assert_eq!(turn.end.ending, TurnEnding::Aborted);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    until("the end of the command's children", || running(&sleep).is_empty()).await;
    let pid = session.agent.pid();
    assert_eq!(session.turn("[[say again]]").await.end.text, "again");
    assert_eq!(session.agent.pid(), pid);
    session.close().await;
}

#[tokio::test]
async fn a_prompt_that_waits_is_dropped_and_told() {
    let place = Place::new().await;
    let mut session = place.allowed().await;
    let mut phase = session.agent.phase();
    session.send("[[stream 10000 5]]");
    session.until(|event| matches!(event, AgentEvent::Busy)).await;
    let second = session.send("[[say never]]");
    session.agent.interrupt().await.unwrap();
    session.until(|event| matches!(event, AgentEvent::PromptCancelled(prompt) if *prompt == second)).await;
    phase.wait_for(|phase| *phase == agent::claude::Phase::Ready).await.unwrap();
    assert_eq!(session.turn_of("[[say again]]").await.end.text, "again");
    session.close().await;
}

#[tokio::test]
async fn an_orderly_stop_in_mid_turn_interrupts_first_and_says_which_rungs_it_climbed() {
    let place = Place::new().await;
    let mut session = place.allowed().await;
    session.send("[[bash bash -c 'sleep 600 & wait']] [[say never]]");
    session.called("Bash").await;
    let receipt = session.agent.stop(Urgency::Orderly).await;
    let rungs: Vec<_> = receipt.rungs.iter().map(|report| report.rung).collect();
    assert_eq!((receipt.interrupted, rungs, receipt.processes_left), (true, vec![Rung::ExitedAlone], 0));
    session.until(|event| matches!(event, AgentEvent::TurnEnded(_))).await;
}

#[tokio::test]
async fn while_a_permission_is_being_decided() {
    let place = Place::new().await;
    let host = Host::new(|_: CanUseTool| std::future::pending::<PermissionAnswer>());
    let mut session = place.open(place.options(LaunchOptions::default()), host).await;
    let mut phase = session.agent.phase();
    session.send("[[write a.txt x]] [[say never]]");
    phase.wait_for(|phase| *phase == agent::claude::Phase::AwaitingAnswer).await.unwrap();
    session.agent.interrupt().await.unwrap();
    assert_eq!(session.end_of_turn().await.end.ending, TurnEnding::Aborted);
    phase.wait_for(|phase| *phase == agent::claude::Phase::Ready).await.unwrap();
    assert!(!place.has("a.txt"));
    assert_eq!(session.turn("[[say again]]").await.end.text, "again");
    session.close().await;
}

#[tokio::test]
async fn and_the_agent_as_the_engine_has_it_takes_the_next_prompts_on_the_same_process() {
    let place = Place::new().await;
    let opening = Opening::New(ConversationId::generate());
    let mut session = place.launch(place.spec(opening)).await;
    assert_eq!(session.turn("[[bash echo $PPID > first]] [[say one]]").await.end.text, "one");
    // Not a bare `sleep 600`: the tool refuses that at once, and the turn goes on.
    session.prompt("[[bash bash -c 'sleep 600 & wait']] [[say never]]").await;
    session.called("Bash").await;
    session.agent.interrupt().await.unwrap();
    assert_eq!(session.end_of_turn().await.end.ending, TurnEnding::Aborted);
    assert_eq!(session.turn("[[bash echo $PPID > second]] [[say two]]").await.end.text, "two");
    assert!(session.turn("[[history]]").await.end.text.contains("[[say two]]"));
    assert_eq!(place.read("first"), place.read("second"));
    session.close().await;
}

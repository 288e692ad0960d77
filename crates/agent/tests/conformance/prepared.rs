use std::os::unix::fs::PermissionsExt;

use agent::{AgentEvent, AgentSpec, LaunchError, Launcher, Opening, Prepared};
use domain::{ConversationId, PermissionMode, Principal};

use crate::place::{Extras, Place, Session, until};

fn new() -> Opening {
    Opening::New(ConversationId::generate())
}

async fn prepare(place: &Place, spec: &AgentSpec) -> Box<dyn Prepared> {
    place.launcher.prepare(spec).await.unwrap()
}

#[tokio::test]
async fn an_agent_that_waited_works_in_the_folder_of_its_task_and_its_conversation_can_be_resumed() {
    let place = Place::new().await;
    let elsewhere = std::env::temp_dir();
    let prepared = prepare(&place, &AgentSpec { working_directory: elsewhere, ..place.spec(new()) }).await;
    let (spec, pid) = (place.spec(new()), prepared.pid());
    assert!(prepared.is_ready() && prepared.fits(&spec));
    let mut session = Session::of(prepared.bind(&spec).await.unwrap()).await;
    let turn = session.turn("[[bash pwd > where.txt]] [[say done]]").await;
    assert_eq!(
        (turn.end.text.as_str(), place.read("where.txt").trim()),
        ("done", place.work().to_str().unwrap())
    );
    assert!(std::path::Path::new(&format!("/proc/{pid}")).exists());
    let conversation = session.conversation;
    session.close().await;
    let mut session = place.launch(place.spec(Opening::Resume(conversation))).await;
    assert!(session.turn("[[history]]").await.end.text.contains("where.txt"));
    session.close().await;
}

#[tokio::test]
async fn it_asks_nobody_but_its_own_task() {
    let place = Place::new().await;
    let spec = AgentSpec { allowed_tools: vec!["Read".into()], ..place.spec(new()) };
    let prepared = prepare(&place, &spec).await;
    let mut session = Session::of(prepared.bind(&spec).await.unwrap()).await;
    let turn = session.turn("[[write a.txt x]] [[say done]]").await;
    let (_, refusal, failed) = &turn.results()[0];
    assert!(
        refusal.contains("this task allows Read and runs in permission mode acceptEdits") && *failed,
        "{refusal}"
    );
    session.close().await;
}

#[tokio::test]
async fn it_fits_new_conversations_with_the_same_options_only() {
    let place = Place::new().await;
    let spec = place.spec(new());
    let prepared = prepare(&place, &spec).await;
    let id = ConversationId::generate();
    let others = [
        AgentSpec { opening: Opening::Resume(id), ..spec.clone() },
        AgentSpec { opening: Opening::ResumeTurn(id), ..spec.clone() },
        AgentSpec { opening: Opening::Fork { from: id, to: id }, ..spec.clone() },
        AgentSpec { principal: Principal::parse("other").unwrap(), ..spec.clone() },
        AgentSpec { allowed_tools: vec![], ..spec.clone() },
        AgentSpec { permission_mode: PermissionMode::Plan, ..spec.clone() },
        AgentSpec { max_turns: Some(1), ..spec.clone() },
        AgentSpec { max_budget_usd: Some(1.0), ..spec.clone() },
        AgentSpec { model: Some("sonnet".into()), ..spec.clone() },
    ];
    assert_eq!(others.map(|other| prepared.fits(&other)), [false; 9]);
    let trace_parent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into());
    assert!(prepared.fits(&AgentSpec {
        opening: new(),
        working_directory: "/".into(),
        trace_parent,
        ..spec
    }));
    assert_eq!(prepared.stop().await.processes_left, 0);
}

#[tokio::test]
async fn one_that_cannot_be_bound_is_ended_and_says_why() {
    let place = Place::new().await;
    let spec = place.spec(new());
    let prepared = prepare(&place, &spec).await;
    let pid = prepared.pid();
    let gone = AgentSpec { working_directory: place.work().join("gone"), ..spec };
    let Err(LaunchError::NotStarted(reason)) = prepared.bind(&gone).await else { panic!("bound") };
    assert!(reason.contains("is no longer there"), "{reason}");
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
}

#[tokio::test]
async fn one_that_died_is_not_ready() {
    let place = Place::new().await;
    let prepared = prepare(&place, &place.spec(new())).await;
    let pid = i32::try_from(prepared.pid()).ok().and_then(rustix::process::Pid::from_raw).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    until("the end of the agent", || !prepared.is_ready()).await;
    assert_eq!(prepared.stop().await.processes_left, 0);
}

/// With a CLI that does not know `--await-claim`.
pub(crate) fn older_cli(folder: &tempfile::TempDir) -> Extras {
    let program = folder.path().join("claude");
    let older = move |cli: std::path::PathBuf| {
        let script = format!(
            "#!/bin/sh\nfor argument; do [ \"$argument\" = --await-claim ] && {{ echo \"error: unknown option\" >&2; exit 1; }}; done\nexec '{}' \"$@\"\n",
            cli.display()
        );
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        program
    };
    Extras { program: Some(Box::new(older)), ..Extras::default() }
}

#[tokio::test]
async fn a_cli_that_cannot_wait_prepares_nothing_and_works_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::with(older_cli(&folder)).await;
    assert!(place.launcher.prepare(&place.spec(new())).await.is_none());
    let mut session = place.launch(place.spec(new())).await;
    assert_eq!(session.turn("[[say cold]]").await.end.text, "cold");
    assert!(!session.seen.iter().any(|event| matches!(event, AgentEvent::Exited(_))));
    session.close().await;
}

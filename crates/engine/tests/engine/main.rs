//! The engine with scripted agents on a mock clock: nothing here takes real time.
#![expect(clippy::expect_used, reason = "tests fail by panicking")]

mod scripted;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use agent::{AgentSpec, Asking, Opening};
use domain::{
    AgentOptions, ConversationId, Fingerprint, Labels, PermissionMode, Policy, Principal, Schedule,
    SessionChoice, SessionId, SystemClock, TaskId, TaskOptions, TaskSpec, TaskStatus, WhenBusy,
};
use engine::{Engine, Folders, Handle, InterruptFirst, Settings};
use scripted::{Behaviour, ScriptedLauncher};
use serde_json::{Value, json};
use store::{CoreSettings, MemoryStore, Retention};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const HOUR: Duration = Duration::from_secs(3600);

fn id(text: &str) -> TaskId {
    TaskId::parse(text).expect("a valid id")
}

/// The prompt names the behaviour of the agent that gets it.
fn spec(task: &str, behaviour: Behaviour) -> TaskSpec {
    TaskSpec {
        task_id: id(task),
        fingerprint: Fingerprint([0; 32]),
        principal: Principal::default(),
        prompt: behaviour.name().into(),
        workspace: "/w".into(),
        working_directory: "/w".into(),
        options: TaskOptions {
            allowed_tools: vec![],
            permission_mode: PermissionMode::Default,
            max_turns: None,
            timeout: HOUR,
            // The launcher sees no prompt: it goes by the model.
            model: Some(behaviour.name().into()),
            max_budget_usd: None,
            agent: AgentOptions::default(),
        },
        session: SessionChoice::New,
        schedule: Schedule::default(),
        policy: Policy::default(),
        labels: Labels::default(),
        metadata: None,
        trace_parent: None,
    }
}

async fn start(settings: Settings) -> (Engine, Handle, Arc<ScriptedLauncher>) {
    let launcher = Arc::new(ScriptedLauncher::default());
    let store = Arc::new(MemoryStore::default());
    let engine = Engine::start(
        settings,
        store,
        launcher.clone(),
        Arc::new(SystemClock),
        Arc::default(),
        telemetry::Traces::default(),
    );
    let engine = engine.await.expect("memory");
    let handle = engine.handle();
    (engine, handle, launcher)
}

fn settings(max_agents: usize) -> Settings {
    Settings { max_agents, idle_timeout: Duration::ZERO, ..Settings::default() }
}

/// Reads a task's log to its end: types, and the data of `complete`.
async fn follow(handle: &Handle, task: &str) -> (Vec<String>, Value) {
    let mut subscription = handle.subscribe(&id(task), 0).await.expect("available").expect("there");
    let mut events: Vec<Value> = Vec::new();
    loop {
        let batch = subscription.next().await.expect("events");
        events.extend(batch.events.iter().map(|event| serde_json::from_slice(&event.json).expect("JSON")));
        if batch.complete {
            let types =
                events.iter().map(|event| event["type"].as_str().expect("a type").to_owned()).collect();
            return (types, events.pop().expect("an event")["data"].clone());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_agents_live_than_there_are_permits() {
    let (engine, handle, launcher) = start(settings(2)).await;
    for task in 0..7 {
        handle.submit(spec(&format!("t{task}"), Behaviour::Completes)).await.expect("admitted");
    }
    for task in 0..7 {
        assert_eq!(follow(&handle, &format!("t{task}")).await.1["status"], json!("completed"));
    }
    engine.shut_down(CancellationToken::new()).await;
    assert_eq!((launcher.launched(), launcher.most_alive(), launcher.alive()), (7, 2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_spare_that_is_taken_is_followed_by_another_once_it_is_at_work() {
    let prewarmed = Some(AgentSpec {
        opening: Opening::New(ConversationId(Uuid::nil())),
        principal: Principal::default(),
        working_directory: "/w".into(),
        allowed_tools: vec![],
        permission_mode: PermissionMode::Default,
        asking: Asking::default(),
        max_turns: None,
        max_budget_usd: None,
        model: None,
        more: AgentOptions::default(),
        trace_parent: None,
    });
    let settings = Settings { prewarm: 1, prewarmed, cleanup_interval: HOUR, ..settings(4) };
    let (engine, handle, launcher) = start(settings).await;
    launcher.prepared(1).await;
    for (task, so_far) in [("a", 1), ("b", 2)] {
        let before = Instant::now();
        handle.submit(spec(task, Behaviour::WaitsForInterrupt)).await.expect("admitted");
        launcher.prompted().await;
        assert_eq!(before.elapsed(), Duration::ZERO);
        launcher.prepared(so_far + 1).await;
        assert_eq!(before.elapsed().as_millis() / 10, 30, "not at once, and not only when it is needed");
    }
    engine.shut_down(CancellationToken::new()).await;
    assert_eq!(launcher.alive(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_place_that_a_task_did_not_need_after_all_goes_to_the_next() {
    let folders = Folders::new(|folder| folder != Path::new("/forbidden"));
    let settings = Settings { folders, idle_timeout: HOUR, cleanup_interval: HOUR, ..settings(1) };
    let (engine, handle, launcher) = start(settings).await;
    handle.submit(spec("first", Behaviour::Completes)).await.expect("admitted");
    assert_eq!(follow(&handle, "first").await.1["status"], json!("completed"));
    // Its agent waits, and its place is promised to the one that comes next.
    let refused =
        TaskSpec { working_directory: "/forbidden".into(), ..spec("refused", Behaviour::Completes) };
    let before = Instant::now();
    handle.submit(refused).await.expect("admitted");
    handle.submit(spec("next", Behaviour::Completes)).await.expect("admitted");
    assert_eq!(follow(&handle, "refused").await.1["status"], json!("failed"));
    assert_eq!(follow(&handle, "next").await.1["status"], json!("completed"));
    assert!(before.elapsed() < Duration::from_secs(1), "{:?}", before.elapsed());
    engine.shut_down(CancellationToken::new()).await;
    assert_eq!((launcher.launched(), launcher.alive()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_counts_from_the_start_of_the_agent_and_ends_it() {
    let (engine, handle, launcher) = start(settings(1)).await;
    handle.submit(spec("t", Behaviour::WaitsForInterrupt)).await.expect("admitted");
    let before = Instant::now();
    let (types, complete) = follow(&handle, "t").await;
    assert_eq!(types, ["message", "error", "complete"]);
    assert_eq!((&complete["exit_code"], before.elapsed().as_secs()), (&json!(124), 3600));
    engine.shut_down(CancellationToken::new()).await;
    assert_eq!(launcher.alive(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_deaf_is_ended_by_force_within_a_second() {
    let (engine, handle, launcher) = start(settings(1)).await;
    handle.submit(spec("t", Behaviour::Deaf)).await.expect("admitted");
    launcher.prompted().await;
    let before = Instant::now();
    let done = handle.interrupt(&id("t")).await.expect("stopped");
    assert_eq!(done.status, TaskStatus::Interrupted);
    assert!(before.elapsed() < Duration::from_secs(1), "{:?}", before.elapsed());
    assert_eq!(launcher.forced(), 1);
    engine.shut_down(CancellationToken::new()).await;
    assert_eq!(launcher.alive(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_launch_that_fails_and_a_worker_that_panics_fail_their_task_only() {
    let (engine, handle, launcher) = start(settings(1)).await;
    for (task, behaviour, error) in [
        ("nothing", Behaviour::CannotStart, "the agent could not be started: no such file"),
        ("panic", Behaviour::Panics, "the server failed to run the task; its log says why"),
    ] {
        handle.submit(spec(task, behaviour)).await.expect("admitted");
        let (_, complete) = follow(&handle, task).await;
        assert_eq!((&complete["status"], &complete["errors"]), (&json!("failed"), &json!([error])));
        let session = SessionId::for_task(&id(task));
        handle.delete_session(&session, InterruptFirst::No).await.expect("the session was given back");
    }
    handle.submit(spec("after", Behaviour::Completes)).await.expect("admitted");
    assert_eq!(follow(&handle, "after").await.1["status"], json!("completed"));
    engine.shut_down(CancellationToken::new()).await;
    assert_eq!(launcher.alive(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_hangs_is_given_up_and_sooner_when_the_task_is_interrupted() {
    let (engine, handle, launcher) = start(settings(1)).await;
    let before = Instant::now();
    handle.submit(spec("hangs", Behaviour::HangsAtStart)).await.expect("admitted");
    let (_, complete) = follow(&handle, "hangs").await;
    let error = "the agent could not be started: it does not begin to run within 60s";
    assert_eq!((&complete["status"], &complete["errors"]), (&json!("failed"), &json!([error])));
    assert_eq!(before.elapsed().as_secs(), 60);

    handle.submit(spec("stopped", Behaviour::HangsAtStart)).await.expect("admitted");
    launcher.hanging(2).await;
    let before = Instant::now();
    assert_eq!(handle.interrupt(&id("stopped")).await.map(|done| done.status), Ok(TaskStatus::Interrupted));
    assert_eq!(before.elapsed().as_secs(), 2);
    handle.submit(spec("after", Behaviour::Completes)).await.expect("admitted");
    assert_eq!(follow(&handle, "after").await.1["status"], json!("completed"));
    engine.shut_down(CancellationToken::new()).await;
}

#[tokio::test(start_paused = true)]
async fn a_drain_lets_running_tasks_go_on_until_its_time_is_over() {
    let drain = Duration::from_secs(60);
    let (engine, handle, launcher) = start(Settings { drain, ..settings(1) }).await;
    handle.submit(spec("runs", Behaviour::WaitsForInterrupt)).await.expect("admitted");
    launcher.prompted().await;
    handle.submit(spec("waits", Behaviour::Completes)).await.expect("admitted");
    let before = Instant::now();
    engine.shut_down(CancellationToken::new()).await;
    assert_eq!(before.elapsed().as_secs(), 60);
    for task in ["runs", "waits"] {
        let (_, complete) = follow(&handle, task).await;
        assert_eq!(complete["errors"], json!(["interrupted: the server was stopped"]), "{task}");
    }
    assert!(handle.submit(spec("late", Behaviour::Completes)).await.is_err());
    assert_eq!((launcher.launched(), launcher.alive()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_fails_does_not_forget_the_conversation() {
    let (engine, handle, launcher) = start(settings(1)).await;
    handle.submit(spec("panic", Behaviour::Panics)).await.expect("admitted");
    follow(&handle, "panic").await;
    let session =
        SessionChoice::Reuse { id: SessionId::for_task(&id("panic")), when_busy: WhenBusy::Enqueue };
    handle.submit(TaskSpec { session, ..spec("next", Behaviour::Completes) }).await.expect("admitted");
    assert_eq!(follow(&handle, "next").await.1["status"], json!("completed"));
    let openings = launcher.openings();
    let [agent::Opening::New(first), agent::Opening::Resume(second)] = openings.as_slice() else {
        unreachable!("{openings:?}")
    };
    assert_eq!(first, second);
    engine.shut_down(CancellationToken::new()).await;
}

#[tokio::test(start_paused = true)]
async fn interrupts_from_all_sides_end_a_task_once() {
    let (engine, handle, launcher) = start(settings(1)).await;
    handle.submit(spec("t", Behaviour::WaitsForInterrupt)).await.expect("admitted");
    launcher.prompted().await;
    let callers = (0..8).map(|_| {
        let handle = handle.clone();
        tokio::spawn(async move { handle.interrupt(&id("t")).await.map(|done| done.status) })
    });
    for caller in callers.collect::<Vec<_>>() {
        assert_eq!(caller.await.expect("no panic"), Ok(TaskStatus::Interrupted));
    }
    let (types, _) = follow(&handle, "t").await;
    assert_eq!(types, ["message", "complete"]);
    engine.shut_down(CancellationToken::new()).await;
}

/// Of two agents one is promised to a new session while its own session's next task takes it.
#[tokio::test(start_paused = true)]
async fn a_task_that_was_promised_an_agent_gets_another_when_that_is_taken() {
    let (engine, handle, launcher) =
        start(Settings { idle_timeout: Duration::from_secs(1800), ..settings(2) }).await;
    handle.submit(spec("a1", Behaviour::Completes)).await.expect("admitted");
    follow(&handle, "a1").await;
    let before = Instant::now();
    let session = SessionChoice::Reuse { id: SessionId::for_task(&id("a1")), when_busy: WhenBusy::Enqueue };
    handle.submit(TaskSpec { session, ..spec("a2", Behaviour::Completes) }).await.expect("admitted");
    for task in ["b", "c", "d"] {
        handle.submit(spec(task, Behaviour::Completes)).await.expect("admitted");
    }
    for task in ["a2", "b", "c", "d"] {
        assert_eq!(follow(&handle, task).await.1["status"], json!("completed"), "{task}");
    }
    assert!(before.elapsed() < Duration::from_secs(5), "{:?}", before.elapsed());
    assert!(launcher.most_alive() <= 2);
    engine.shut_down(CancellationToken::new()).await;
    assert_eq!(launcher.alive(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_idle_agent_of_a_session_that_is_no_longer_kept_ends_before_its_conversation_is_forgotten() {
    let retention = Retention { max_tasks: 0, ..Retention::ALL };
    let (engine, handle, launcher) =
        start(Settings { idle_timeout: 24 * HOUR, retention, ..settings(1) }).await;
    // It may be dropped as soon as it has ended, before anybody has read of that.
    handle.submit(spec("t", Behaviour::Completes)).await.expect("admitted");
    assert_eq!(launcher.forgotten().await, 0);
    assert_eq!((launcher.launched(), launcher.forced()), (1, 0));
    engine.shut_down(CancellationToken::new()).await;
}

/// One life of a server, which ends as by kill -9.
fn live(store: &Arc<MemoryStore>, launcher: &Arc<ScriptedLauncher>, life: impl AsyncFnOnce(Handle)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let engine = Engine::start(
            settings(1),
            store.clone(),
            launcher.clone(),
            Arc::new(SystemClock),
            Arc::default(),
            telemetry::Traces::default(),
        );
        life(engine.await.expect("memory").handle()).await;
    });
}

#[test]
fn a_crash_before_the_model_has_answered_does_not_forget_the_conversation() {
    let launcher = Arc::new(ScriptedLauncher::default());
    let store = Arc::new(MemoryStore::playing_durable(CoreSettings::default()));
    live(&store, &launcher, async |handle| {
        handle.submit(spec("cut-off", Behaviour::WaitsForInterrupt)).await.expect("admitted");
        launcher.prompted().await;
    });
    let store = Arc::new(store.reopened().expect("memory"));
    live(&store, &launcher, async |handle| {
        assert_eq!(follow(&handle, "cut-off").await.1["status"], json!("interrupted"));
        let id = SessionId::for_task(&id("cut-off"));
        let session = SessionChoice::Reuse { id, when_busy: WhenBusy::Enqueue };
        handle.submit(TaskSpec { session, ..spec("next", Behaviour::Completes) }).await.expect("admitted");
        assert_eq!(follow(&handle, "next").await.1["status"], json!("completed"));
    });
    let openings = launcher.openings();
    let [Opening::New(first), Opening::Resume(second)] = openings.as_slice() else {
        unreachable!("{openings:?}")
    };
    assert_eq!(first, second);
}

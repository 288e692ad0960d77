//! What becomes of a request that was read.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::path::PathBuf;

use domain::{
    AgentOptions, InstanceLabel, Labels, OnQuestion, OnRestart, OnStall, PermissionMode, Principal, WhenBusy,
};

use super::*;

fn request(fields: &str) -> TaskRequest {
    let body = format!(r#"{{"prompt":"p","workspace":"/w"{fields}}}"#);
    task_request(body.as_bytes()).expect("valid")
}

fn caller() -> Identity {
    let principal = Principal::parse("team-a").expect("valid");
    Identity { principal, max_running: NonZeroU32::new(3), ..Identity::operator() }
}

fn gpu() -> BTreeSet<InstanceLabel> {
    BTreeSet::from([InstanceLabel::parse("gpu").expect("valid")])
}

fn defaults() -> TaskDefaults {
    TaskDefaults {
        allowed_tools: vec!["Read".into()],
        permission_mode: PermissionMode::AcceptEdits,
        max_turns: 50,
        timeout: Duration::from_secs(3600),
        model: None,
        policy: Policy {
            retry: Retry { max_attempts: 2, after_side_effects: true },
            on_restart: OnRestart::Resume,
            on_stall: OnStall::Fail,
            background: Duration::from_secs(5),
            on_question: OnQuestion::Ask,
            answer_within: Duration::from_secs(50),
        },
    }
}

/// The task for a request in a folder that is there.
async fn spec(fields: &str) -> (TaskSpec, PathBuf) {
    let (spec, workspace) = admitted(fields).await;
    (spec.expect("a task"), workspace)
}

async fn admitted(fields: &str) -> (Result<TaskSpec, String>, PathBuf) {
    let place = tempfile::tempdir().expect("a folder");
    let workspace = place.path().canonicalize().expect("there");
    let private = workspace.join("private");
    std::fs::create_dir(&private).expect("made");
    let roots = WorkspaceRoots::resolve_all(std::slice::from_ref(&workspace), &private).expect("there");
    let request = TaskRequest { workspace: workspace.display().to_string(), ..request(fields) };
    let id = TaskId::parse("t").expect("valid");
    let now = Timestamp::from_millis(1_000);
    let (defaults, policy) = (defaults(), CallerPolicy::default());
    let labels = gpu();
    let reach = Reach::Here(&labels);
    let place = Place { defaults: &defaults, policy: &policy, roots: &roots, reach, now };
    let spec = task_spec(id, &caller(), request, place).await.map_err(|refusal| refusal.detail);
    (spec, workspace)
}

#[tokio::test]
async fn nobody_keeps_a_place_in_the_queue_for_ever() {
    let (late, _) = admitted(r#","start_at":"9999-01-01T00:00:00Z""#).await;
    assert_eq!(late, Err("/start_at must lie within the next 30 days".into()));
    assert!(admitted(r#","start_at":"1970-01-30T00:00:00Z""#).await.0.is_ok());
}

#[test]
fn a_request_without_later_fields_keeps_its_digest() {
    let full = r#","task_id":"t","options":{"allowed_tools":["Read"],"max_turns":5,"timeout":60},
        "session":{"reuse_existing":true,"session_id":"s"}"#;
    let hex = |request: &TaskRequest| {
        fingerprint(request).0.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    assert_eq!(hex(&request("")), "1f2e099520c92ae4a35372587ed28e61f9641600fdce7f5bd2ef5bbb1b497f1b");
    assert_eq!(hex(&request(full)), "845ff24488aa1adad7b77ccd5c849893731e7bc55dedbfbb1f81068fd7df68e5");
    let nothing = r#","priority":null,"start_at":null,"delay_seconds":null,"depends_on":[],"retry":{},
        "options":{"max_budget_usd":null,"on_stall":null},"session":{"fork":false,"when_busy":null}"#;
    assert_eq!(fingerprint(&request(nothing)), fingerprint(&request("")));
}

#[test]
fn every_later_field_is_part_of_the_digest() {
    let reuse = |more: &str| format!(r#","session":{{"reuse_existing":true,"session_id":"s"{more}}}"#);
    let mut requests = vec![String::new(), reuse(""), reuse(r#","when_busy":"reject""#)];
    requests.extend(
        [
            r#""priority":1"#,
            r#""start_at":"2026-01-19T10:00:00Z""#,
            r#""delay_seconds":5"#,
            r#""delay_seconds":6"#,
            r#""depends_on":["a"]"#,
            r#""retry":{"max_attempts":2}"#,
            r#""retry":{"after_side_effects":false}"#,
            r#""options":{"max_budget_usd":0.5}"#,
            r#""options":{"background_timeout":0}"#,
            r#""options":{"on_restart":"interrupt"}"#,
            r#""options":{"on_stall":"report"}"#,
            r#""options":{"on_question":"refuse"}"#,
            r#""options":{"answer_within":5}"#,
            r#""session":{"fork":true,"session_id":"s"}"#,
        ]
        .map(|field| format!(",{field}")),
    );
    let digests: std::collections::HashSet<_> =
        requests.iter().map(|fields| fingerprint(&request(fields))).collect();
    assert_eq!(digests.len(), requests.len());
    let other_zone = request(r#","start_at":"2026-01-19T12:00:00+02:00""#);
    assert!(digests.contains(&fingerprint(&other_zone)), "the same moment");
}

#[tokio::test]
async fn defaults_hold_for_what_is_left_out() {
    let (spec, workspace) = spec("").await;
    let expected = TaskSpec {
        task_id: TaskId::parse("t").expect("valid"),
        fingerprint: spec.fingerprint,
        principal: caller().principal,
        prompt: "p".into(),
        workspace: workspace.clone(),
        working_directory: workspace,
        options: TaskOptions {
            allowed_tools: vec!["Read".into()],
            permission_mode: PermissionMode::AcceptEdits,
            max_turns: Some(50),
            timeout: Duration::from_secs(3600),
            model: None,
            max_budget_usd: None,
            agent: AgentOptions::default(),
        },
        session: SessionChoice::New,
        schedule: Schedule { max_running: caller().max_running, ..Schedule::default() },
        policy: defaults().policy,
        labels: Labels::default(),
        metadata: None,
        trace_parent: None,
    };
    assert_eq!(spec, expected);
}

#[tokio::test]
async fn what_is_asked_for_goes_before_the_defaults() {
    let (spec, _) = spec(
        r#","priority":-7,"delay_seconds":60,"depends_on":["a","b"],"runs_on":["gpu"],"retry":{"max_attempts":1},
        "options":{"max_budget_usd":2,"background_timeout":0,"on_restart":"interrupt","on_stall":"report",
        "on_question":"refuse","answer_within":7},
        "session":{"reuse_existing":true,"session_id":"s","when_busy":"fork"}"#,
    )
    .await;
    let id = |text| TaskId::parse(text).expect("valid");
    let schedule = Schedule {
        priority: Priority::new(-7).expect("valid"),
        start_at: Some(Timestamp::from_millis(61_000)),
        depends_on: vec![id("a"), id("b")],
        max_running: caller().max_running,
        runs_on: gpu(),
    };
    let policy = Policy {
        retry: Retry { max_attempts: 1, after_side_effects: true },
        on_restart: OnRestart::Interrupt,
        on_stall: OnStall::Report,
        background: Duration::ZERO,
        on_question: OnQuestion::Refuse,
        answer_within: Duration::from_secs(7),
    };
    let session =
        SessionChoice::Reuse { id: SessionId::parse("s").expect("valid"), when_busy: WhenBusy::Fork };
    assert_eq!(
        (spec.schedule, spec.policy, spec.session, spec.options.max_budget_usd),
        (schedule, policy, session, Some(2.0))
    );
}

#[tokio::test]
async fn who_reuses_a_session_and_names_none_gets_a_new_one() {
    for reuse in
        [r#"{"reuse_existing":true,"session_id":null}"#, r#"{"reuse_existing":true,"when_busy":"enqueue"}"#]
    {
        let (spec, _) = spec(&format!(r#","session":{reuse}"#)).await;
        assert_eq!(spec.session, SessionChoice::New, "{reuse}");
    }
}

#[tokio::test]
async fn a_conversation_is_forked_and_a_moment_is_kept() {
    let (spec, _) =
        spec(r#","start_at":"1970-01-01T00:00:09Z","session":{"fork":true,"session_id":"s"}"#).await;
    assert_eq!(spec.session, SessionChoice::Fork(SessionId::parse("s").expect("valid")));
    assert_eq!(spec.schedule.start_at, Some(Timestamp::from_millis(9_000)));
}

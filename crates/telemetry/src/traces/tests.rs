use std::time::SystemTime;

use super::*;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn task(trace_parent: Option<&str>) -> TaskOfTrace<'_> {
    let admitted = SystemTime::UNIX_EPOCH;
    TaskOfTrace { trace_parent, task_id: "t", session_id: "s", principal: "p", admitted }
}

#[test]
fn nothing_is_traced_unless_it_is_wanted() {
    let off = Traces::default();
    assert!(off.request("GET", Some("/health"), Some(PARENT)).is_none());
    assert!(off.task(&task(Some(PARENT))).is_none());
}

#[test]
fn a_request_continues_its_callers_trace_unless_that_is_nonsense() {
    let traces = Traces::of(&SdkTracerProvider::builder().build());
    let request = traces.request("GET", None, Some(PARENT)).map(|request| request.trace_parent());
    assert_eq!(request.as_deref().and_then(trace_id), trace_id(PARENT));
    assert_ne!(request.as_deref(), Some(PARENT));
    for nonsense in ["", "00-0-0-01", "00-00000000000000000000000000000000-b7ad6b7169203331-01", "é"] {
        let request = traces.request("GET", None, Some(nonsense)).map(|request| request.trace_parent());
        assert!(request.as_deref().and_then(parse).is_some(), "{nonsense}: {request:?}");
    }
}

#[test]
fn a_tasks_attempts_are_in_its_requests_trace_and_a_task_without_a_trace_has_none() {
    let traces = Traces::of(&SdkTracerProvider::builder().build());
    assert!(traces.task(&task(None)).is_none() && traces.task(&task(Some("nonsense"))).is_none());
    let attempt = traces.task(&task(Some(PARENT))).map(|task| task.attempt(1).trace_parent());
    assert_eq!(attempt.as_deref().and_then(trace_id), trace_id(PARENT));
}

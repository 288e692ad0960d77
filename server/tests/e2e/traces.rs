//! Traces, as a collector gets them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::{Value, json};
use testing::{Server, ServerBuilder, Stopped};
use tokio::net::TcpListener;
use tokio::time::{Duration, Instant};

use crate::{BINARY, task};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";
const SECRET: &str = "nobodys-business";

type Received = Arc<Mutex<Vec<ExportTraceServiceRequest>>>;

/// Something that takes spans.
struct Collector {
    url: String,
    received: Received,
}

impl Collector {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let received = Received::default();
        let app = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&received));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, received }
    }

    /// What was said of the server, and all spans.
    fn all(&self) -> (HashMap<String, Value>, Vec<Span>) {
        let received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        let resources: Vec<_> = received.iter().flat_map(|request| &request.resource_spans).collect();
        let resource = resources.first().and_then(|spans| spans.resource.as_ref()).expect("a resource");
        let spans = resources.iter().flat_map(|spans| &spans.scope_spans).flat_map(|spans| &spans.spans);
        (attributes(&resource.attributes), spans.cloned().collect())
    }
}

async fn take(State(received): State<Received>, body: Bytes) {
    let request = ExportTraceServiceRequest::decode(body).expect("spans");
    received.lock().unwrap_or_else(PoisonError::into_inner).push(request);
}

fn attributes(pairs: &[KeyValue]) -> HashMap<String, Value> {
    let value = |value: Option<&AnyValue>| match value.and_then(|value| value.value.as_ref()) {
        Some(Any::StringValue(text)) => json!(text),
        Some(Any::IntValue(number)) => json!(number),
        Some(Any::DoubleValue(number)) => json!(number),
        other => json!(format!("{other:?}")),
    };
    pairs.iter().map(|pair| (pair.key.clone(), value(pair.value.as_ref()))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The only span of that name in the caller's trace: its id, its parent's, and its attributes.
fn only(spans: &[Span], name: &str) -> (String, String, HashMap<String, Value>) {
    let mut found = spans.iter().filter(|span| span.name == name && hex(&span.trace_id) == TRACE);
    let names = spans.iter().map(|span| span.name.as_str()).collect::<Vec<_>>();
    assert!(names.contains(&name), "{name} is not among {names:?}");
    let span = found.next().expect("it is of that trace");
    assert!(found.next().is_none(), "{name} is there twice");
    assert!(span.start_time_unix_nano <= span.end_time_unix_nano, "{name} ends before it begins");
    (hex(&span.span_id), hex(&span.parent_span_id), attributes(&span.attributes))
}

async fn submit_traced(server: &Server, body: &Value) -> String {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let request = client.post(format!("{}/api/v1/tasks", server.url())).json(body);
    let answer = request.header("traceparent", format!("00-{TRACE}-{CALLER}-01")).send().await;
    let answer = answer.expect("an answer");
    assert_eq!(answer.status(), 200);
    answer.headers()["x-request-id"].to_str().expect("a text").to_owned()
}

async fn stopped(server: Server) -> Stopped {
    server.terminate();
    server.ended().await
}

#[tokio::test]
async fn a_callers_trace_goes_on_through_the_request_the_task_and_its_tools() {
    let collector = Collector::start().await;
    let server = ServerBuilder::demo(BINARY)
        .variable("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url)
        .variable("OTEL_RESOURCE_ATTRIBUTES", "deployment=test")
        .start()
        .await;
    let prompt = format!("[[bash echo {SECRET} parent=$TRACEPARENT]]");
    let request_id = submit_traced(&server, &task(&server, "t", &prompt)).await;
    let finished = server.stream("t", "").await.finish().await;
    let complete = finished.assert_whole();
    let stopped = stopped(server).await;
    assert_eq!(stopped.code, Some(0));

    let (resource, spans) = collector.all();
    assert_eq!(
        (&resource["service.name"], &resource["deployment"]),
        (&json!("claude-code-server"), &json!("test"))
    );
    assert!(!format!("{spans:?}").contains(SECRET), "{spans:?}");
    let (request, parent, about) = only(&spans, "POST /api/v1/tasks");
    assert_eq!(parent, CALLER);
    assert_eq!(about["http.route"], "/api/v1/tasks");
    assert_eq!(about["http.response.status_code"], 200);
    assert_eq!(about["request_id"], json!(request_id));
    let (task, parent, about) = only(&spans, "task");
    assert_eq!(parent, request);
    assert_eq!((&about["task_id"], &about["task.status"]), (&json!("t"), &json!("completed")));
    assert_eq!(about["cost_usd"], complete["total_cost_usd"]);
    assert!(about["tokens.output"].as_u64() > Some(0) && about.contains_key("session_id"), "{about:?}");
    assert_eq!(only(&spans, "queue").1, task);
    let (attempt, parent, about) = only(&spans, "attempt");
    assert_eq!(parent, task);
    assert_eq!((&about["attempt"], &about["task.status"]), (&json!(1), &json!("completed")));
    assert_eq!(only(&spans, "tool Bash").1, attempt);
    let told = format!("parent=00-{TRACE}-{attempt}-01");
    let heard = |event: &Value| event["type"] == "tool_result" && event.to_string().contains(&told);
    assert!(finished.events().iter().any(heard), "{told} is not in {:#?}", finished.frames);
    let admitted = stopped.log.iter().find(|line| line.contains("task admitted")).expect("a line");
    assert!(admitted.contains(&format!(r#""trace_id":"{TRACE}""#)), "{admitted}");
    for (message, span) in [("task admitted", "request"), ("task ended", "task")] {
        let line = stopped.log.iter().find(|line| line.contains(message)).expect("a line");
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let within = (&line["span"]["name"], &line["span"]["trace_id"]);
        assert_eq!(within, (&json!(span), &json!(TRACE)), "{line}");
    }
}

#[tokio::test]
async fn an_agent_that_waited_for_its_sessions_next_task_is_good_enough_for_another_trace() {
    let collector = Collector::start().await;
    let server = ServerBuilder::demo(BINARY)
        .variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &format!("{}/v1/traces", collector.url))
        .start()
        .await;
    let prompt = "[[bash echo parent=$TRACEPARENT]]";
    let mut said = Vec::new();
    let first = task(&server, "first", prompt);
    let session = server.submit(&first).await["session_id"].clone();
    let mut next = task(&server, "next", prompt);
    next["workspace"] = first["workspace"].clone();
    next["session"] = json!({"session_id": session, "reuse_existing": true});
    for (id, submission) in [("first", None), ("next", Some(next))] {
        if let Some(submission) = submission {
            submit_traced(&server, &submission).await;
        }
        let mut stream = server.stream(id, "").await;
        let result = stream.wait_for("its tool's answer", |event| event["type"] == "tool_result").await;
        said.push(result["data"].to_string());
        stream.finish().await.assert_whole();
    }
    stopped(server).await;
    let parents = said.iter().map(|said| said.split("parent=").nth(1).and_then(|rest| rest.get(..55)));
    let parents: Vec<_> = parents.map(|parent| parent.expect("a parent")).collect();
    assert_eq!(parents[0], parents[1], "it is the same agent");
    let (_, spans) = collector.all();
    let (attempt, ..) = only(&spans, "attempt");
    assert_eq!(only(&spans, "tool Bash").1, attempt);
    assert!(!parents[1].contains(&attempt), "{parents:?}");
}

#[tokio::test]
async fn what_a_stop_cuts_off_is_traced_too() {
    let collector = Collector::start().await;
    let server =
        ServerBuilder::stub(BINARY).variable("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url).start().await;
    submit_traced(&server, &task(&server, "t", "tool Bash; hold")).await;
    server.stream("t", "").await.wait_for("its tool", crate::is_tool_use).await;
    stopped(server).await;
    let (_, spans) = collector.all();
    let (task, _, about) = only(&spans, "task");
    assert_eq!(about["task.status"], "interrupted");
    let (attempt, parent, _) = only(&spans, "attempt");
    assert_eq!(parent, task);
    assert_eq!(only(&spans, "tool Bash").1, attempt, "a call that was cut off has a span, too");
}

/// A collector that takes connections and says nothing.
async fn mute_collector() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    (listener, url)
}

#[tokio::test]
async fn a_collector_that_does_not_answer_holds_up_nothing() {
    let (listener, mute) = mute_collector().await;
    let (closed, gone) = mute_collector().await;
    drop(closed);
    // The last spans are tried for two seconds; with nobody there the SDK's own repetitions take up to one.
    let may_wait = Duration::from_secs(3);
    for url in [mute, gone] {
        let stop_time = |server: Server| async {
            let start = Instant::now();
            let stopped = stopped(server).await;
            assert_eq!(stopped.code, Some(0));
            (start.elapsed(), stopped.log)
        };
        let (usual, _) = stop_time(ServerBuilder::stub(BINARY).start().await).await;
        let server = ServerBuilder::stub(BINARY).variable("OTEL_EXPORTER_OTLP_ENDPOINT", &url).start().await;
        let start = Instant::now();
        server.submit(&task(&server, "t", "tool Bash; say hi")).await;
        server.stream("t", "").await.finish().await.assert_whole();
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        let (took, log) = stop_time(server).await;
        assert!(took < usual + may_wait, "{took:?} instead of {usual:?}");
        let warnings = log.iter().filter(|line| line.contains("spans")).collect::<Vec<_>>();
        assert!((1..=2).contains(&warnings.len()), "{warnings:?}");
    }
    drop(listener);
}

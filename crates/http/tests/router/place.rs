//! A server without a socket, and what a client does with it.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::StatusData;
use auth::{ApiKey, Authenticator, KeyFile, KeyRing};
use axum::Router;
use axum::body::{Body, BodyDataStream, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use axum::response::Response;
use domain::{PermissionMode, Policy, SystemClock, TaskId, Timestamp};
use engine::{Engine, Settings};
use futures_util::StreamExt;
use http_api::{
    AppState, CallerPolicy, CorsOrigins, HostPolicy, Loopback, RateLimit, TaskDefaults, TrustedProxies,
    WorkspaceRoots, router,
};
use secrecy::SecretString;
use serde_json::{Value, json};
use store::{CoreSettings, KEPT_IN_MEMORY, MemoryStore, TaskRecord};
use telemetry::Metrics;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::agents::Script;

/// The key of a server that has one.
pub(crate) const KEY: &str = "secret";

pub(crate) struct Place {
    pub(crate) script: Arc<Script>,
    pub(crate) state: Arc<AppState>,
    pub(crate) workspace: String,
    /// Of a server that has a key.
    pub(crate) keys: KeyFile,
    _engine: Engine,
    _folder: TempDir,
}

/// An answer that was read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).expect("JSON")
    }
}

fn notice(task: &TaskRecord, now: Timestamp) -> bytes::Bytes {
    let data = StatusData { status: task.status, attempt: task.attempt, waits_for: None, resumes_at: None };
    api::status_notice(now, &task.spec.task_id, &task.session_id, &data)
}

impl Place {
    pub(crate) async fn new() -> Self {
        Self::with(Settings::default(), None).await
    }

    pub(crate) async fn with(settings: Settings, key: Option<&str>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (root, private) = (folder.path().join("w"), folder.path().join("private"));
        std::fs::create_dir(&root).expect("made");
        std::fs::create_dir(&private).expect("made");
        let roots = WorkspaceRoots::resolve_all(std::slice::from_ref(&root), &private).expect("there");
        let keys = KeyFile::new(folder.path().join("keys.json"));
        let script = Arc::new(Script::default());
        let store = MemoryStore::new(CoreSettings { notice, ..CoreSettings::default() }, KEPT_IN_MEMORY);
        let metrics = Arc::new(Metrics::default());
        let engine = Engine::start(
            settings,
            Arc::new(store),
            script.clone(),
            Arc::new(SystemClock),
            Arc::clone(&metrics),
            telemetry::Traces::default(),
        );
        let engine = engine.await.expect("started");
        let state = AppState {
            labels: std::collections::BTreeSet::new(),
            storage_warnings: Vec::new(),
            data_folder: root.clone(),
            guesses: http_api::Guesses::default(),
            engine: engine.handle(),
            clock: Arc::new(SystemClock),
            defaults: TaskDefaults {
                allowed_tools: Vec::new(),
                permission_mode: PermissionMode::Default,
                max_turns: 50,
                timeout: Duration::from_secs(24 * 3600),
                model: None,
                policy: Policy::default(),
            },
            policy: CallerPolicy::default(),
            roots,
            auth: key.map(|key| Authenticator {
                api_key: Some(ApiKey::new(&SecretString::from(key))),
                keys: KeyRing::open(keys.clone()).expect("opened"),
                jwt: None,
            }),
            tickets: http_api::Tickets::default(),
            bodies: http_api::BodyBudget::default(),
            rate_limit: RateLimit::new(None, Loopback::Spared),
            hosts: HostPolicy::Any,
            cors: CorsOrigins::default(),
            proxies: TrustedProxies::default(),
            public_websocket_base: Some("ws://server".into()),
            metrics,
            traces: telemetry::Traces::default(),
            version: "0",
            agent_program: "/bin/sh".into(),
            agent_version: "1.2.3".into(),
            started: Instant::now(),
            closing: CancellationToken::new(),
            streams: TaskTracker::new(),
        };
        let workspace = root.canonicalize().expect("there").display().to_string();
        Self { script, state: Arc::new(state), workspace, keys, _engine: engine, _folder: folder }
    }

    pub(crate) fn router(&self) -> Router {
        router(Arc::clone(&self.state))
    }

    /// Sends a request and gives the answer as soon as it begins.
    pub(crate) async fn send(&self, request: Request<Body>) -> Response {
        self.router().oneshot(request).await.expect("an answer")
    }

    /// Sends a request with a body, which may be null for none.
    pub(crate) async fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let request = Request::builder().method(method).uri(path).body(body);
        read(self.send(request.expect("a request")).await).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    pub(crate) async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        read(self.send(get(path, headers)).await).await
    }

    /// Opens a stream of Server-Sent Events.
    pub(crate) async fn stream(&self, path: &str, headers: &[(&str, &str)]) -> Stream {
        let headers: Vec<_> = headers.iter().copied().chain([("accept", "text/event-stream")]).collect();
        let response = self.send(get(path, &headers)).await;
        assert_eq!(response.status(), StatusCode::OK);
        let kind = response.headers().get("content-type").map(|kind| kind.as_bytes().to_vec());
        assert_eq!(kind.as_deref(), Some(b"text/event-stream".as_slice()));
        let mut stream =
            Stream { body: Box::pin(response.into_body().into_data_stream()), text: String::new() };
        assert_eq!(stream.frame().await.as_deref(), Some("retry: 1000"));
        stream
    }

    /// Submits a task in the workspace.
    pub(crate) async fn submit(&self, id: &str, prompt: &str, more: Value) -> Answer {
        let mut body = json!({"task_id": id, "prompt": prompt, "workspace": self.workspace});
        let (fields, more) = (body.as_object_mut().expect("an object"), more.as_object().cloned());
        fields.extend(more.unwrap_or_default());
        let request = Request::post("/api/v1/tasks").body(Body::from(body.to_string()));
        read(self.send(request.expect("a request")).await).await
    }

    /// Submits a task and waits for its end.
    pub(crate) async fn run(&self, id: &str, prompt: &str) {
        assert_eq!(self.submit(id, prompt, Value::Null).await.status, StatusCode::OK);
        let answer = self.get(&format!("/api/v1/tasks/{id}/result?wait=300")).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    }

    /// Waits for a task's system message of that kind.
    pub(crate) async fn event(&self, id: &str, subtype: &str) -> Value {
        let id = TaskId::parse(id).expect("valid");
        let subscription = self.state.engine.subscribe(&id, 0).await.expect("read");
        let mut subscription = subscription.expect("there");
        loop {
            let batch = subscription.next().await.expect("events");
            let events = batch.events.iter().map(|event| serde_json::from_slice(&event.json).expect("JSON"));
            let found = events.into_iter().find(|event: &Value| event["data"]["subtype"] == subtype);
            if let Some(found) = found {
                return found;
            }
            assert!(!batch.complete, "the task has ended without {subtype}");
        }
    }

    /// The stored events of a task, with their numbers; of one that has not ended, the first page.
    pub(crate) async fn stored(&self, id: &str) -> Vec<(u64, String)> {
        let id = TaskId::parse(id).expect("valid");
        let subscription = self.state.engine.subscribe(&id, 0).await.expect("read");
        let mut subscription = subscription.expect("there");
        let batch = subscription.next().await.expect("events");
        let text = |json: bytes::Bytes| String::from_utf8(json.to_vec()).expect("text");
        batch.events.into_iter().map(|event| (event.seq, text(event.json))).collect()
    }
}

pub(crate) fn get(path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).expect("a request")
}

pub(crate) async fn read(response: Response) -> Answer {
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.expect("a body");
    let text = String::from_utf8(bytes.to_vec()).expect("text");
    Answer { status: parts.status, headers: parts.headers, text }
}

/// An open stream of Server-Sent Events.
pub(crate) struct Stream {
    body: Pin<Box<BodyDataStream>>,
    text: String,
}

impl Stream {
    /// The next frame, without the empty line that ends it; `None` at the end.
    pub(crate) async fn frame(&mut self) -> Option<String> {
        loop {
            if let Some((frame, rest)) = self.text.split_once("\n\n") {
                let (frame, rest) = (frame.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(frame);
            }
            let chunk = self.body.next().await?.expect("a chunk");
            self.text.push_str(str::from_utf8(&chunk).expect("text"));
        }
    }

    /// All frames to the end.
    pub(crate) async fn rest(mut self) -> Vec<String> {
        let mut frames = Vec::new();
        while let Some(frame) = self.frame().await {
            frames.push(frame);
        }
        frames
    }
}

/// An event's frame.
pub(crate) fn frame(cursor: u64, json: &str) -> String {
    format!("id: {cursor}\nevent: {}\ndata: {json}", kind(json))
}

/// An event's type.
pub(crate) fn kind(json: &str) -> String {
    let event: Value = serde_json::from_str(json).expect("JSON");
    event["type"].as_str().expect("a type").to_owned()
}

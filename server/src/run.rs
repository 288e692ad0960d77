//! `run`: a task from the command line, its events as readable lines.

mod show;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio_tungstenite::connect_async_with_config;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

use self::show::Printer;
use crate::cli::RunArguments;

/// The task could not be followed to its end.
const EXIT_NOT_FOLLOWED: u8 = 2;
/// Left by a second Ctrl-C, as a shell would say.
const EXIT_LEFT: u8 = 130;
/// Above the longest line that an agent may write.
const MAX_EVENT_BYTES: usize = 256 * 1024 * 1024;
/// The stream's code for "there is no such task" (RFC 6455, section 7.4.1).
const CLOSED_BY_POLICY: u16 = 1008;
const RECONNECT_AFTER: Duration = Duration::from_millis(500);
const MOST_RECONNECTS: u32 = 20;

/// Runs a task; ends with its exit code.
pub(crate) fn main(arguments: RunArguments) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = runtime.context("the runtime could not be started").and_then(|runtime| {
        runtime.block_on(async {
            let client = Client::new(&arguments)?;
            client.run(&arguments).await
        })
    });
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            // A stderr that is gone has nobody to tell.
            drop(writeln!(std::io::stderr(), "claude-code-server run: {error:#}"));
            ExitCode::from(EXIT_NOT_FOLLOWED)
        }
    }
}

struct Client {
    http: reqwest::Client,
    server: String,
    api_key: Option<String>,
}

/// What one connection brought.
enum Followed {
    /// The task ended with this exit code.
    Ended(u8),
    /// The connection ended before the task did, and why.
    Cut(String),
}

impl Client {
    fn new(arguments: &RunArguments) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().no_proxy().build().context("no HTTP client")?;
        // An empty variable counts as not set.
        let api_key = arguments.api_key.clone().filter(|key| !key.is_empty());
        let server = arguments.server.trim_end_matches('/').to_owned();
        Ok(Self { http, server, api_key })
    }

    fn post(&self, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.post(format!("{}{path}", self.server));
        match &self.api_key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    async fn run(&self, arguments: &RunArguments) -> anyhow::Result<u8> {
        let task = self.submit(arguments).await?;
        let id = task["task_id"].as_str().context("the server's answer names no task")?.to_owned();
        let mut printer = Printer::new();
        printer.submitted(&id);
        let mut ctrl_c = signal(SignalKind::interrupt()).context("Ctrl-C cannot be received")?;
        tokio::select! {
            followed = self.follow(&id, &mut printer) => return followed,
            _ = ctrl_c.recv() => Printer::new().note("interrupting; Ctrl-C again leaves at once"),
        }
        let end = async {
            self.interrupt(&id).await?;
            self.follow(&id, &mut Printer::quiet()).await
        };
        tokio::select! {
            ended = end => ended,
            _ = ctrl_c.recv() => Ok(EXIT_LEFT),
        }
    }

    async fn submit(&self, arguments: &RunArguments) -> anyhow::Result<Value> {
        let workspace = arguments.workspace.canonicalize().with_context(|| {
            format!("--workspace {} is not there: make the folder first", arguments.workspace.display())
        })?;
        let mut body = json!({"prompt": arguments.prompt, "workspace": workspace});
        if let Some(timeout) = arguments.timeout {
            body["options"] = json!({"timeout": timeout});
        }
        let answer = self.post("/api/v1/tasks").json(&body).send().await;
        let answer = answer.with_context(|| format!("no server answers at {}: start one", self.server))?;
        let status = answer.status();
        let answer: Value = answer.json().await.context("the server's answer is not JSON")?;
        if !status.is_success() {
            bail!("the server refused the task: {}", answer["detail"].as_str().unwrap_or(status.as_str()));
        }
        Ok(answer)
    }

    async fn interrupt(&self, id: &str) -> anyhow::Result<()> {
        let request = self.post(&format!("/api/v1/tasks/{id}/interrupt"));
        let status = request.send().await.context("the interrupt was not sent")?.status();
        // It may have ended in that very moment.
        if !status.is_success() && status != reqwest::StatusCode::CONFLICT {
            bail!("the server refused the interrupt ({status})");
        }
        Ok(())
    }

    /// Follows the task over as many connections as it takes, each from the last event on.
    async fn follow(&self, id: &str, printer: &mut Printer) -> anyhow::Result<u8> {
        let mut cursor = 0;
        let mut failures = 0;
        while failures < MOST_RECONNECTS {
            let before = cursor;
            match self.follow_once(id, &mut cursor, printer).await? {
                Followed::Ended(code) => return Ok(code),
                Followed::Cut(reason) => printer.note(&reason),
            }
            failures = if cursor > before { 0 } else { failures + 1 };
            tokio::time::sleep(RECONNECT_AFTER).await;
        }
        bail!("the connection was lost {MOST_RECONNECTS} times: the task may still run, see {}", self.server)
    }

    async fn follow_once(
        &self,
        id: &str,
        cursor: &mut u64,
        printer: &mut Printer,
    ) -> anyhow::Result<Followed> {
        let base = self.server.replacen("http", "ws", 1);
        let mut request = format!("{base}/ws/tasks/{id}?after={cursor}").into_client_request()?;
        if let Some(key) = &self.api_key {
            request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {key}"))?);
        }
        let limits = WebSocketConfig::default()
            .max_message_size(Some(MAX_EVENT_BYTES))
            .max_frame_size(Some(MAX_EVENT_BYTES));
        let mut socket = match connect_async_with_config(request, Some(limits), true).await {
            Ok((socket, _)) => socket,
            Err(Error::Http(refusal)) => bail!("the server refused the stream ({})", refusal.status()),
            Err(error) => return Ok(Followed::Cut(format!("no connection: {error}"))),
        };
        while let Some(message) = socket.next().await {
            let text = match message {
                Ok(Message::Text(text)) => text,
                Ok(Message::Close(Some(frame))) if u16::from(frame.code) == CLOSED_BY_POLICY => {
                    bail!("the server no longer has the task")
                }
                Ok(_) => continue,
                Err(error) => return Ok(Followed::Cut(format!("the connection was cut: {error}"))),
            };
            let event: Value = serde_json::from_str(&text).context("an event is not JSON")?;
            if let Some(seq) = event["seq"].as_u64() {
                *cursor = seq;
            }
            printer.event(&event);
            if event["type"] == "complete" {
                let code = event["data"]["exit_code"].as_u64().and_then(|code| u8::try_from(code).ok());
                return Ok(Followed::Ended(code.unwrap_or(1)));
            }
        }
        Ok(Followed::Cut("the stream ended before the task did".to_owned()))
    }
}

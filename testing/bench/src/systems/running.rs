//! A system that runs.

use std::any::Any;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use serde_json::{Value, json};
use testing::{FastStream, RedisServer};

/// Whatever has to live as long as a system runs.
#[async_trait]
pub(crate) trait Parts: Send + Sync {
    /// Ends it in order. Dropping kills.
    async fn stop(self: Box<Self>) -> Result<()>;

    /// For measures that know one system well.
    fn as_any(&self) -> &dyn Any;
}

/// A system that runs. Dropping it kills it.
pub(crate) struct Running {
    /// `host:port`
    pub(crate) address: String,
    /// Its process.
    pub(crate) pid: u32,
    /// From its start to its first answer.
    pub(crate) ready_after: Duration,
    /// Its Redis, if it has one.
    pub(crate) redis: Option<Arc<RedisServer>>,
    workspaces: PathBuf,
    http: reqwest::Client,
    tasks: AtomicUsize,
    parts: Box<dyn Parts>,
}

impl Running {
    /// Of what a system knows. `workspaces` is a folder in which tasks may work.
    pub(crate) fn new(
        address: String,
        pid: u32,
        ready_after: Duration,
        workspaces: PathBuf,
        parts: Box<dyn Parts>,
    ) -> Result<Self> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        let tasks = AtomicUsize::new(0);
        Ok(Self { address, pid, ready_after, redis: None, workspaces, http, tasks, parts })
    }

    /// What it is made of.
    pub(crate) fn parts(&self) -> &dyn Any {
        self.parts.as_any()
    }

    /// The id and body of a task that was not submitted before, in a session of its own.
    pub(crate) fn task(&self, prompt: &str) -> (String, Value) {
        let id = format!("task-{}", self.tasks.fetch_add(1, Ordering::Relaxed));
        let body = json!({"task_id": id, "prompt": prompt, "workspace": self.workspaces});
        (id, body)
    }

    /// `GET`, answered by 200.
    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        Self::answer(path, self.http.get(self.url(path))).await
    }

    /// `POST`, answered by 200.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        Self::answer(path, self.http.post(self.url(path)).json(body)).await
    }

    /// `DELETE`, answered by 200.
    pub(crate) async fn delete(&self, path: &str) -> Result<Value> {
        Self::answer(path, self.http.delete(self.url(path))).await
    }

    async fn answer(path: &str, request: reqwest::RequestBuilder) -> Result<Value> {
        let answer = request.send().await.with_context(|| format!("no answer to {path}"))?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status == 200, "{path} was answered by {status}: {text}");
        Ok(serde_json::from_str(&text)?)
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Submits a body.
    pub(crate) async fn submit_body(&self, body: &Value) -> Result<Value> {
        self.post("/api/v1/tasks", body).await
    }

    /// Submits a new task in a session of its own; gives its id.
    pub(crate) async fn submit(&self, prompt: &str) -> Result<String> {
        let (id, body) = self.task(prompt);
        self.submit_body(&body).await?;
        Ok(id)
    }

    /// Interrupts a task.
    pub(crate) async fn interrupt(&self, task: &str) -> Result<Value> {
        self.post(&format!("/api/v1/tasks/{task}/interrupt"), &json!({})).await
    }

    /// A task's events, from the first on.
    pub(crate) async fn stream(&self, task: &str) -> FastStream {
        FastStream::at(&self.address, task, "").await
    }

    /// Waits until a task has an event that begins so; gives the rest of its events.
    pub(crate) async fn reached(&self, task: &str, start: &[u8]) -> Result<FastStream> {
        let mut stream = self.stream(task).await;
        loop {
            let mut is_there = false;
            let goes_on = stream.take(|event| is_there |= event.starts_with(start)).await;
            if is_there {
                return Ok(stream);
            }
            ensure!(goes_on, "{task} ended before {}", String::from_utf8_lossy(start));
        }
    }

    /// Reads tasks to their ends.
    pub(crate) async fn ended(&self, tasks: &[String]) {
        for task in tasks {
            self.stream(task).await.finish().await;
        }
    }

    /// Ends it in order.
    pub(crate) async fn stop(self) -> Result<()> {
        self.parts.stop().await
    }
}

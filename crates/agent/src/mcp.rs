//! MCP servers written with the `rmcp` crate, within this program.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use rmcp::{RoleServer, Service, ServiceExt};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use crate::McpServer;

/// Bytes that may lie between us and the service.
const PIPE_BYTES: usize = 64 * 1024;

/// Messages that may wait for the service.
const LINES: usize = 64;

type Response = oneshot::Receiver<Box<RawValue>>;
type Waiting = Arc<Mutex<HashMap<String, oneshot::Sender<Box<RawValue>>>>>;

/// An `rmcp` service as a server that agents may call. Each agent that shakes hands gets a service of its own.
pub struct RmcpServer<F> {
    make: Arc<F>,
    connection: Mutex<Option<Connection>>,
}

struct Connection {
    /// Whole lines to the service.
    lines: mpsc::Sender<String>,
    waiting: Waiting,
    tasks: [AbortHandle; 3],
}

impl Drop for Connection {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    method: Option<String>,
}

impl<F, S> RmcpServer<F>
where
    F: Fn() -> S + Send + Sync + 'static,
    S: Service<RoleServer>,
{
    /// A server whose services `make` makes.
    pub fn new(make: F) -> Self {
        Self { make: Arc::new(make), connection: Mutex::new(None) }
    }

    fn connect(&self) -> Connection {
        let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
        let service = (self.make)();
        let serving = tokio::spawn(async move {
            match service.serve(theirs).await {
                Ok(running) => {
                    if let Err(error) = running.waiting().await {
                        tracing::warn!(%error, "an MCP service ended badly");
                    }
                }
                Err(error) => tracing::warn!(%error, "an MCP service did not start"),
            }
        });
        let (reader, writer) = tokio::io::split(ours);
        let (lines, to_write) = mpsc::channel(LINES);
        let waiting = Waiting::default();
        let reading = tokio::spawn(read_responses(reader, Arc::clone(&waiting), lines.downgrade()));
        let writing = tokio::spawn(write_lines(writer, to_write));
        let tasks = [serving, reading, writing].map(|task| task.abort_handle());
        Connection { lines, waiting, tasks }
    }

    /// Where a message goes and, if it is a request, where its response will come.
    fn route(&self, message: &RawValue) -> Result<(mpsc::Sender<String>, Option<Response>), String> {
        let envelope: Envelope<'_> =
            serde_json::from_str(message.get()).map_err(|error| format!("no JSON-RPC: {error}"))?;
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        if envelope.method.as_deref() == Some("initialize") {
            *connection = Some(self.connect());
        }
        let connection = connection.as_mut().ok_or("the MCP server was not initialized")?;
        let response = envelope.id.filter(|_| envelope.method.is_some()).map(|id| {
            let (sender, receiver) = oneshot::channel();
            lock(&connection.waiting).insert(id.get().to_owned(), sender);
            receiver
        });
        Ok((connection.lines.clone(), response))
    }
}

/// Writes lines to their end, whoever gives up waiting for their answer.
async fn write_lines(mut writer: WriteHalf<DuplexStream>, mut lines: mpsc::Receiver<String>) {
    while let Some(line) = lines.recv().await {
        if writer.write_all(line.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn lock(waiting: &Waiting) -> std::sync::MutexGuard<'_, HashMap<String, oneshot::Sender<Box<RawValue>>>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Hands out responses until the service is gone; then everybody who waits is told. A request of the service's own is
/// refused: the CLI has no way to take it.
async fn read_responses(reader: ReadHalf<DuplexStream>, waiting: Waiting, lines: mpsc::WeakSender<String>) {
    let mut output = BufReader::new(reader).lines();
    while let Ok(Some(line)) = output.next_line().await {
        let Ok(message) = serde_json::from_str::<Box<RawValue>>(&line) else { continue };
        match serde_json::from_str(&line) {
            Ok(Envelope { id: Some(id), method: None }) => {
                // Whoever asked may have been told to stop.
                if let Some(waiting) = lock(&waiting).remove(id.get()) {
                    waiting.send(message).ok();
                }
            }
            Ok(Envelope { id: Some(id), method: Some(method) }) => {
                let refusal = format!(
                    "{{\"jsonrpc\":\"2.0\",\"id\":{},\"error\":{{\"code\":-32601,\"message\":\"not answered here\"}}}}\n",
                    id.get()
                );
                tracing::debug!(method, "a request of an MCP server was refused");
                // A full queue means that the service takes nothing, and it is waited for by others.
                if let Some(lines) = lines.upgrade() {
                    lines.try_send(refusal).ok();
                }
            }
            _ => tracing::debug!("a notification of an MCP server was left out"),
        }
    }
    lock(&waiting).clear();
}

#[async_trait]
impl<F, S> McpServer for RmcpServer<F>
where
    F: Fn() -> S + Send + Sync + 'static,
    S: Service<RoleServer>,
{
    async fn handle(&self, message: Box<RawValue>) -> Result<Option<Box<RawValue>>, String> {
        let (lines, response) = self.route(&message)?;
        let gone = || "the MCP server has ended".to_owned();
        let line = format!("{}\n", message.get().replace(['\n', '\r'], " "));
        lines.send(line).await.map_err(|_| gone())?;
        match response {
            Some(response) => response.await.map(Some).map_err(|_| gone()),
            None => Ok(None),
        }
    }

    fn for_agent(&self) -> Option<Arc<dyn McpServer>> {
        Some(Arc::new(Self { make: Arc::clone(&self.make), connection: Mutex::new(None) }))
    }
}

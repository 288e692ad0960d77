//! MCP servers written with the `rmcp` crate, within this program.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use rmcp::{RoleServer, Service, ServiceExt};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf};
use tokio::sync::{Mutex as AsyncMutex, oneshot};
use tokio::task::AbortHandle;

use crate::McpServer;

/// Bytes that may lie between us and the service.
const PIPE_BYTES: usize = 64 * 1024;

type Waiting = Arc<Mutex<HashMap<String, oneshot::Sender<Box<RawValue>>>>>;

/// An `rmcp` service as a server that an agent may call. Each agent that shakes hands gets a new service.
pub struct RmcpServer<F> {
    make: F,
    connection: AsyncMutex<Option<Connection>>,
}

struct Connection {
    writer: WriteHalf<DuplexStream>,
    waiting: Waiting,
    tasks: [AbortHandle; 2],
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
    F: Fn() -> S + Send + Sync,
    S: Service<RoleServer>,
{
    /// A server whose service `make` makes.
    pub fn new(make: F) -> Self {
        Self { make, connection: AsyncMutex::new(None) }
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
        let waiting = Waiting::default();
        let reading = tokio::spawn(read_responses(reader, Arc::clone(&waiting)));
        Connection { writer, waiting, tasks: [serving.abort_handle(), reading.abort_handle()] }
    }

    /// Writes the message, and gives where its response will come, if it is a request.
    async fn deliver(&self, message: &RawValue) -> Result<Option<oneshot::Receiver<Box<RawValue>>>, String> {
        let envelope: Envelope<'_> =
            serde_json::from_str(message.get()).map_err(|error| format!("no JSON-RPC: {error}"))?;
        let mut connection = self.connection.lock().await;
        if envelope.method.as_deref() == Some("initialize") {
            *connection = Some(self.connect());
        }
        let connection = connection.as_mut().ok_or("the MCP server was not initialized")?;
        let response = envelope.id.filter(|_| envelope.method.is_some()).map(|id| {
            let (sender, receiver) = oneshot::channel();
            lock(&connection.waiting).insert(id.get().to_owned(), sender);
            receiver
        });
        let mut line = message.get().replace(['\n', '\r'], " ");
        line.push('\n');
        connection.writer.write_all(line.as_bytes()).await.map_err(|error| error.to_string())?;
        Ok(response)
    }
}

fn lock(waiting: &Waiting) -> std::sync::MutexGuard<'_, HashMap<String, oneshot::Sender<Box<RawValue>>>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Hands out responses until the service is gone; then everybody who waits is told.
async fn read_responses(reader: ReadHalf<DuplexStream>, waiting: Waiting) {
    let mut lines = BufReader::new(reader).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Ok(message) = serde_json::from_str::<Box<RawValue>>(&line) else { continue };
        let Ok(Envelope { id: Some(id), method: None }) = serde_json::from_str(&line) else {
            tracing::debug!("a notification of an MCP server was left out");
            continue;
        };
        // Whoever asked may have been told to stop.
        if let Some(waiting) = lock(&waiting).remove(id.get()) {
            waiting.send(message).ok();
        }
    }
    lock(&waiting).clear();
}

#[async_trait]
impl<F, S> McpServer for RmcpServer<F>
where
    F: Fn() -> S + Send + Sync,
    S: Service<RoleServer>,
{
    async fn handle(&self, message: Box<RawValue>) -> Result<Option<Box<RawValue>>, String> {
        match self.deliver(&message).await? {
            Some(response) => response.await.map(Some).map_err(|_| "the MCP server has ended".to_owned()),
            None => Ok(None),
        }
    }
}

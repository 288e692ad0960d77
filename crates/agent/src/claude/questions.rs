//! Answers the CLI's questions, each on a task of its own: a slow answer holds up neither the agent's output nor
//! other answers. Every question gets one answer, or is withdrawn by the CLI.

use std::collections::{BTreeMap, HashMap};

use claude_protocol::{
    ControlRequest, HookMatcher, Initialize, answer, mcp_answer, permission_answer, refusal,
};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, Id, JoinSet};

use crate::{Asked, Host};

/// Questions that may be open at once. Sub-agents ask at the same time, but not so many.
const MOST_OPEN: usize = 256;
const HOOK_PREFIX: &str = "hook-";

/// The open questions of one CLI.
pub(super) struct Questions {
    host: Host,
    /// Weak, so that the input closes when the handle lets go of it.
    input: mpsc::WeakSender<Vec<u8>>,
    answering: JoinSet<()>,
    open: HashMap<String, AbortHandle>,
    names: HashMap<Id, String>,
}

impl Questions {
    pub(super) fn new(mut host: Host, input: mpsc::WeakSender<Vec<u8>>) -> Self {
        for server in host.mcp_servers.values_mut() {
            if let Some(own) = server.for_agent() {
                *server = own;
            }
        }
        Self { host, input, answering: JoinSet::new(), open: HashMap::new(), names: HashMap::new() }
    }

    /// What the owner is told of a question that a person is to decide.
    pub(super) fn refer(&self, request: &ControlRequest) -> Option<Box<Asked>> {
        match request {
            ControlRequest::CanUseTool(ask) => self.host.permissions.refer(ask),
            _ => None,
        }
    }

    /// How many wait for their answer.
    pub(super) fn open(&self) -> usize {
        self.open.len()
    }

    /// Starts to answer. Gives the answer at once when there is no work in it.
    pub(super) fn ask(&mut self, request_id: String, request: ControlRequest) -> Option<Vec<u8>> {
        if self.open.len() >= MOST_OPEN {
            return Some(refusal(&request_id, "too many questions are open at once"));
        }
        let (host, input, id) = (self.host.clone(), self.input.clone(), request_id.clone());
        let task = match request {
            ControlRequest::Elicitation(_) => {
                return Some(answer(&request_id, &json!({"action": "decline"})));
            }
            ControlRequest::Other { subtype } => {
                let reason = format!("unsupported control request subtype: {subtype}");
                return Some(refusal(&request_id, &reason));
            }
            request => self.answering.spawn(async move {
                let line = answer_to(&host, &id, request).await;
                if let Some(input) = input.upgrade() {
                    // Fails when the CLI is gone, and nobody waits for the answer any more.
                    input.send(line).await.ok();
                }
            }),
        };
        self.names.insert(task.id(), request_id.clone());
        self.open.insert(request_id, task);
        None
    }

    /// The CLI no longer needs this answer.
    pub(super) fn withdraw(&mut self, request_id: &str) {
        if let Some(task) = self.open.remove(request_id) {
            self.names.remove(&task.id());
            task.abort();
        }
    }

    /// Waits for the next answer to be done with. Gives a line to write when the answerer failed instead. Pending for
    /// ever while nothing is open. Cancel-safe.
    pub(super) async fn answered(&mut self) -> Option<Vec<u8>> {
        let Some(end) = self.answering.join_next_with_id().await else {
            return std::future::pending().await;
        };
        let (id, failure) = match end {
            Ok((id, ())) => (id, false),
            Err(error) => (error.id(), error.is_panic()),
        };
        let request_id = self.names.remove(&id)?;
        self.open.remove(&request_id);
        failure.then(|| refusal(&request_id, "the host failed to answer"))
    }
}

async fn answer_to(host: &Host, id: &str, request: ControlRequest) -> Vec<u8> {
    match request {
        ControlRequest::CanUseTool(ask) => permission_answer(id, &host.permissions.decide(*ask).await),
        ControlRequest::HookCallback(call) => {
            let number = call.callback_id.strip_prefix(HOOK_PREFIX).and_then(|number| number.parse().ok());
            let Some(hook) = number.and_then(|number: usize| host.hooks.get(number)) else {
                return refusal(id, &format!("there is no hook {}", call.callback_id));
            };
            match hook.handler.call(call).await {
                Ok(output) => answer(id, &output),
                Err(reason) => refusal(id, &reason),
            }
        }
        ControlRequest::McpMessage(message) => {
            let Some(server) = host.mcp_servers.get(&message.server_name) else {
                return refusal(id, &format!("there is no MCP server {} here", message.server_name));
            };
            match server.handle(message.message).await {
                Ok(response) => mcp_answer(id, response.as_deref()),
                Err(reason) => refusal(id, &reason),
            }
        }
        ControlRequest::Elicitation(_) | ControlRequest::Other { .. } => refusal(id, "not answered here"),
    }
}

/// Writes into `initialize` what the host wants to be asked.
pub(super) fn register(host: &Host, initialize: &mut Initialize) {
    let mut hooks: BTreeMap<String, Vec<HookMatcher>> = BTreeMap::new();
    for (number, hook) in host.hooks.iter().enumerate() {
        hooks.entry(hook.event.clone()).or_default().push(HookMatcher {
            matcher: hook.matcher.clone(),
            hook_callback_ids: vec![format!("{HOOK_PREFIX}{number}")],
            timeout: hook.timeout_seconds,
            on_failure: hook.on_failure,
        });
    }
    initialize.hooks = hooks;
    initialize.sdk_mcp_servers = host.mcp_servers.keys().cloned().collect();
}

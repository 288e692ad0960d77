//! Who answers what an agent asks: permissions, hooks, in-process MCP servers. Each is a trait that closures fulfil.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use claude_protocol::{CanUseTool, HookCallback, OnFailure, PermissionAnswer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::Asked;

/// Decides whether a tool may run. The agent waits for it, and the rest of its output is read meanwhile. Dropped
/// when the agent no longer needs the answer.
#[async_trait]
pub trait PermissionHandler: Send + Sync {
    /// The answer to one question.
    async fn decide(&self, ask: CanUseTool) -> PermissionAnswer;

    /// What the agent's owner is told of a question whose answer ends the turn, because a person is to decide. It is told
    /// before the answer is given.
    fn refer(&self, ask: &CanUseTool) -> Option<Box<Asked>> {
        let _ = ask;
        None
    }
}

#[async_trait]
impl<F, A> PermissionHandler for F
where
    F: Fn(CanUseTool) -> A + Send + Sync,
    A: Future<Output = PermissionAnswer> + Send,
{
    async fn decide(&self, ask: CanUseTool) -> PermissionAnswer {
        self(ask).await
    }
}

/// Is called when something happens in the agent.
#[async_trait]
pub trait HookHandler: Send + Sync {
    /// The answer in the CLI's words (protocol section 9.2), `{}` to let things go on.
    ///
    /// # Errors
    /// When the hook failed; what that does is said by [`Hook::on_failure`].
    async fn call(&self, call: HookCallback) -> Result<Value, String>;
}

#[async_trait]
impl<F, A> HookHandler for F
where
    F: Fn(HookCallback) -> A + Send + Sync,
    A: Future<Output = Result<Value, String>> + Send,
{
    async fn call(&self, call: HookCallback) -> Result<Value, String> {
        self(call).await
    }
}

/// A callback and when it is called.
#[derive(Clone)]
pub struct Hook {
    /// `PreToolUse`, `PostToolUse`, `UserPromptSubmit`, `Stop`, ...
    pub event: String,
    /// A pattern of tool names, such as `Bash|Write`; every one when left out.
    pub matcher: Option<String>,
    /// Seconds until the CLI gives up waiting and does not run the tool; 60 when left out.
    pub timeout_seconds: Option<u64>,
    /// What happens to the tool call when the callback fails.
    pub on_failure: OnFailure,
    /// The callback.
    pub handler: Arc<dyn HookHandler>,
}

impl Hook {
    /// A hook on every such event, which blocks the tool when it fails.
    pub fn new(event: &str, handler: impl HookHandler + 'static) -> Self {
        Self {
            event: event.to_owned(),
            matcher: None,
            timeout_seconds: None,
            on_failure: OnFailure::Block,
            handler: Arc::new(handler),
        }
    }

    /// The same for the tools that fit a pattern.
    #[must_use]
    pub fn matching(self, matcher: &str) -> Self {
        Self { matcher: Some(matcher.to_owned()), ..self }
    }
}

/// An MCP server within this program.
#[async_trait]
pub trait McpServer: Send + Sync {
    /// Takes a JSON-RPC message; gives the response to a request, and nothing to a notification.
    ///
    /// # Errors
    /// When there is no answer to be had; the text is for people.
    async fn handle(&self, message: Box<RawValue>) -> Result<Option<Box<RawValue>>, String>;

    /// The server that one agent alone talks to: ids of requests are unique to an agent, not to a host. `None` when
    /// this one keeps nothing between messages, so that agents may share it.
    fn for_agent(&self) -> Option<Arc<dyn McpServer>> {
        None
    }
}

/// Everything that may be asked, and who answers.
#[derive(Clone)]
pub struct Host {
    /// Permissions.
    pub permissions: Arc<dyn PermissionHandler>,
    /// Hooks.
    pub hooks: Vec<Hook>,
    /// MCP servers by name. Their tools are called `mcp__<name>__<tool>`.
    pub mcp_servers: BTreeMap<String, Arc<dyn McpServer>>,
}

impl Host {
    /// A host that decides about permissions, and has no hooks and no MCP servers.
    pub fn new(permissions: impl PermissionHandler + 'static) -> Self {
        Self { permissions: Arc::new(permissions), hooks: Vec::new(), mcp_servers: BTreeMap::new() }
    }

    /// A host that denies whatever has to be asked: nothing ever waits for it.
    #[must_use]
    pub fn denying() -> Self {
        Self::new(async |ask: CanUseTool| {
            PermissionAnswer::deny(format!(
                "{} is not allowed here, and nobody is there to ask",
                ask.tool_name
            ))
        })
    }

    /// With one more hook.
    #[must_use]
    pub fn hook(mut self, hook: Hook) -> Self {
        self.hooks.push(hook);
        self
    }

    /// With one more MCP server.
    #[must_use]
    pub fn mcp_server(mut self, name: &str, server: impl McpServer + 'static) -> Self {
        self.mcp_servers.insert(name.to_owned(), Arc::new(server));
        self
    }
}

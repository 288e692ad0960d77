//! An agent that waits for its folder (protocol section 13). What a process was started with cannot be changed, and so it
//! serves one credential and one principal.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use claude_protocol::{CanUseTool, ClaimSession, Conversation, HostRequest, LaunchOptions, PermissionAnswer};
use tokio::time::timeout;

use super::driver::{ClaudeAgent, RequestError};
use super::launcher::{ClaudeLauncher, ClaudeOptions};
use super::phase::Phase;
use crate::{AgentEvent, Events, Host, PermissionHandler};

/// The CLI is ready in 0.4 s alone; longer than this is no gain over a start when it is needed.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// A claim is answered in 0.1 s.
const CLAIMED_WITHIN: Duration = Duration::from_secs(5);

/// An agent without a task, and what it was started with.
pub(super) struct Spare {
    pub(super) agent: ClaudeAgent,
    events: Events,
    options: ClaudeOptions,
    permissions: Slot,
}

/// Who decides for an agent that does not have a task yet.
#[derive(Clone, Default)]
struct Slot(Arc<OnceLock<Arc<dyn PermissionHandler>>>);

#[async_trait]
impl PermissionHandler for Slot {
    async fn decide(&self, ask: CanUseTool) -> PermissionAnswer {
        match self.0.get() {
            Some(handler) => handler.decide(ask).await,
            None => PermissionAnswer::deny("this agent has no task yet"),
        }
    }
}

/// Why an agent does not wait.
pub(super) enum Unready {
    /// It is not for a new conversation, the machine is too slow, or the agent broke.
    Broken,
    /// The CLI does not know how to wait for a folder.
    CannotWait,
}

impl Spare {
    /// Starts an agent in the folder in which it will be needed, and waits until it is ready.
    pub(super) async fn in_place(launcher: &ClaudeLauncher, options: ClaudeOptions) -> Result<Self, Unready> {
        if options.launch.conversation != Conversation::Fresh {
            return Err(Unready::Broken);
        }
        let permissions = Slot::default();
        let started = launcher.start(options.clone(), Host::new(permissions.clone())).await;
        let (agent, mut events) = started.map_err(|error| {
            tracing::info!(%error, "no agent could be prepared");
            Unready::Broken
        })?;
        let mut phase = agent.phase();
        let ready = phase.wait_for(|phase| !matches!(phase, Phase::Starting));
        match timeout(READY_WITHIN, ready).await.map(|phase| phase.map(|phase| *phase)) {
            Ok(Ok(Phase::Ready)) => Ok(Self { agent, events, options, permissions }),
            Ok(_) => Err(why_it_ended(&mut events).await),
            Err(_) => Err(Unready::Broken),
        }
    }

    /// Starts an agent in `parking` that can later be bound to any folder, and waits until it is ready.
    pub(super) async fn parked(
        launcher: &ClaudeLauncher,
        parking: &Path,
        options: &ClaudeOptions,
    ) -> Result<Self, Unready> {
        let launch = LaunchOptions { await_claim: true, ..options.launch.clone() };
        let working_directory = parking.to_owned();
        Self::in_place(launcher, ClaudeOptions { working_directory, launch, ..options.clone() }).await
    }

    pub(super) fn is_ready(&self) -> bool {
        *self.agent.phase().borrow() == Phase::Ready
    }

    /// Whether it waits in that folder, with those options.
    pub(super) fn is_in_place(&self, options: &ClaudeOptions) -> bool {
        self.options.working_directory == options.working_directory && self.options.launch == options.launch
    }

    /// Whether a claim makes it what is wanted. The mode can be changed by it.
    pub(super) fn can_become(&self, options: &ClaudeOptions) -> bool {
        let permission_mode = options.launch.permission_mode;
        let now = LaunchOptions { await_claim: false, permission_mode, ..self.options.launch.clone() };
        self.options.launch.await_claim && now == options.launch
    }

    /// Binds it to the folder of `options`, if it is not there already. One that refuses goes on waiting.
    pub(super) async fn claim(&self, options: &ClaudeOptions) -> Result<(), RequestError> {
        if self.is_in_place(options) {
            return Ok(());
        }
        let claim = HostRequest::ClaimSession(ClaimSession {
            cwd: options.working_directory.to_string_lossy().into_owned(),
            // What it waited with is not the wanted one if that is the default.
            permission_mode: Some(options.launch.permission_mode.unwrap_or("default").to_owned()),
            ..ClaimSession::default()
        });
        let answer = self.agent.request_within(&claim, CLAIMED_WITHIN).await;
        if let Err(error) = &answer {
            tracing::info!(%error, "a waiting agent could not be bound to a folder");
        }
        answer.map(drop)
    }

    /// Hands it over to who decides for its task.
    pub(super) fn hand_over(self, permissions: Arc<dyn PermissionHandler>) -> (ClaudeAgent, Events) {
        // Nobody else has it, so the slot is empty.
        self.permissions.0.set(permissions).ok();
        (self.agent, self.events)
    }
}

/// What an agent that ended before it was ready said.
async fn why_it_ended(events: &mut Events) -> Unready {
    loop {
        let batch = events.batch(64).await;
        if batch.is_empty() {
            return Unready::Broken;
        }
        for event in batch {
            if let AgentEvent::Exited(exit) = event
                && exit.stderr_tail.contains("unknown option")
            {
                return Unready::CannotWait;
            }
        }
    }
}

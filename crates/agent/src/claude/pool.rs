//! Agents that are ready before anybody needs them (protocol section 13). A pool belongs to one launcher, and so to one
//! credential and one tenant: what a process was started with cannot be changed.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use claude_protocol::{CanUseTool, ClaimSession, Conversation, HostRequest, LaunchOptions, PermissionAnswer};
use tokio::time::timeout;

use super::driver::{ClaudeAgent, RequestError};
use super::launcher::{ClaudeLauncher, ClaudeOptions, check_folder};
use super::phase::Phase;
use crate::{AgentEvent, Events, Host, LaunchError, PermissionHandler};

/// The CLI is ready in 0.4 s alone; longer than this is no gain over a start when it is needed.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// A claim is answered in 0.1 s.
const CLAIMED_WITHIN: Duration = Duration::from_secs(5);

/// Keeps agents ready and hands them out. Dropping it ends those that nobody took.
pub struct Pool {
    launcher: Arc<ClaudeLauncher>,
    /// Where agents wait that have no folder yet.
    parking: PathBuf,
    /// Most agents that wait.
    most: usize,
    spares: Mutex<Vec<Spare>>,
    /// Whether this CLI can be bound to a folder after its start.
    claimable: AtomicBool,
}

struct Spare {
    agent: ClaudeAgent,
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

impl Spare {
    fn is_ready(&self) -> bool {
        *self.agent.phase().borrow() == Phase::Ready
    }

    /// Whether it waits in that folder, with those options.
    fn is_in_place(&self, options: &ClaudeOptions) -> bool {
        self.options.working_directory == options.working_directory && self.options.launch == options.launch
    }

    /// Whether a claim makes it what is wanted. The mode can be changed by it.
    fn can_become(&self, options: &ClaudeOptions) -> bool {
        let permission_mode = options.launch.permission_mode;
        let now = LaunchOptions { await_claim: false, permission_mode, ..self.options.launch.clone() };
        self.options.launch.await_claim && now == options.launch
    }
}

impl Pool {
    /// A pool of at most `most` waiting agents; `parking` is a folder without anything in it.
    pub fn new(launcher: Arc<ClaudeLauncher>, parking: PathBuf, most: usize) -> Self {
        Self { launcher, parking, most, spares: Mutex::default(), claimable: AtomicBool::new(true) }
    }

    /// Starts an agent that can later be bound to any folder, and waits until it is ready. Does nothing when enough wait.
    /// Gives whether there is one more. A CLI that does not know how is remembered.
    pub async fn add_spare(&self, launch: &LaunchOptions) -> bool {
        if !self.claimable.load(Ordering::Relaxed) {
            return false;
        }
        let launch = LaunchOptions { await_claim: true, ..launch.clone() };
        let options =
            ClaudeOptions { working_directory: self.parking.clone(), launch, ..ClaudeOptions::default() };
        let added = self.add(options).await;
        if let Err(Unready::Refused) = added {
            tracing::info!("this CLI cannot wait for a folder: agents are started when they are needed");
            self.claimable.store(false, Ordering::Relaxed);
        }
        added.is_ok()
    }

    /// Starts an agent in the folder in which it will be needed, and waits until it is ready. Gives whether there is one
    /// more.
    pub async fn add_in_place(&self, working_directory: PathBuf, launch: &LaunchOptions) -> bool {
        let launch = launch.clone();
        self.add(ClaudeOptions { working_directory, launch, ..ClaudeOptions::default() }).await.is_ok()
    }

    /// How many wait and live.
    pub fn waiting(&self) -> usize {
        let mut spares = self.lock();
        spares.retain(Spare::is_ready);
        spares.len()
    }

    /// An agent for a new conversation in that folder: one that waits, if one fits, else a new one. Its first event is
    /// `Ready` either way.
    ///
    /// # Errors
    /// As [`ClaudeLauncher::start`].
    pub async fn start(
        &self,
        working_directory: PathBuf,
        launch: &LaunchOptions,
        permissions: Arc<dyn PermissionHandler>,
    ) -> Result<(ClaudeAgent, Events), LaunchError> {
        let options = ClaudeOptions { working_directory, launch: launch.clone(), ..ClaudeOptions::default() };
        check_folder(&options.working_directory).await?;
        let slot = Slot::default();
        // Nobody else has the slot yet.
        slot.0.set(Arc::clone(&permissions)).ok();
        while let Some(spare) = self.take(&options) {
            let bound =
                if spare.is_in_place(&options) { Ok(()) } else { claim(&spare.agent, &options).await };
            match bound {
                Ok(()) => {
                    spare.permissions.0.set(permissions).ok();
                    return Ok((spare.agent, spare.events));
                }
                // The folder is the reason, and another one would say the same.
                Err(RequestError::Refused(_)) => {
                    self.lock().push(spare);
                    break;
                }
                Err(RequestError::NoAnswer(_) | RequestError::Gone) => {}
            }
        }
        self.launcher.start(options, Host::new(slot)).await
    }

    async fn add(&self, options: ClaudeOptions) -> Result<(), Unready> {
        if options.launch.conversation != Conversation::Fresh || self.waiting() >= self.most {
            return Err(Unready::NotWanted);
        }
        let permissions = Slot::default();
        let started = self.launcher.start(options.clone(), Host::new(permissions.clone())).await;
        let (agent, mut events) = started.map_err(|_| Unready::NotWanted)?;
        let mut phase = agent.phase();
        let ready = phase.wait_for(|phase| !matches!(phase, Phase::Starting));
        match timeout(READY_WITHIN, ready).await.map(|phase| phase.map(|phase| *phase)) {
            Ok(Ok(Phase::Ready)) => {}
            Ok(_) => return Err(why_it_ended(&mut events).await),
            Err(_) => return Err(Unready::NotWanted),
        }
        let mut spares = self.lock();
        if spares.len() >= self.most {
            return Err(Unready::NotWanted);
        }
        spares.push(Spare { agent, events, options, permissions });
        Ok(())
    }

    /// Takes out one that fits; one that is there already before one that has to be bound.
    fn take(&self, options: &ClaudeOptions) -> Option<Spare> {
        let mut spares = self.lock();
        spares.retain(Spare::is_ready);
        let place = spares.iter().position(|spare| spare.is_in_place(options));
        let place = place.or_else(|| spares.iter().position(|spare| spare.can_become(options)))?;
        Some(spares.swap_remove(place))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Spare>> {
        self.spares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why an agent does not wait in the pool.
enum Unready {
    /// The pool is full, the options do not fit it, the machine is too slow or the agent broke.
    NotWanted,
    /// The CLI does not know how to wait.
    Refused,
}

/// What an agent that ended before it was ready said.
async fn why_it_ended(events: &mut Events) -> Unready {
    loop {
        let batch = events.batch(64).await;
        if batch.is_empty() {
            return Unready::NotWanted;
        }
        for event in batch {
            if let AgentEvent::Exited(exit) = event
                && exit.stderr_tail.contains("unknown option")
            {
                return Unready::Refused;
            }
        }
    }
}

/// Binds a waiting agent to its folder. One that refuses goes on waiting.
async fn claim(agent: &ClaudeAgent, options: &ClaudeOptions) -> Result<(), RequestError> {
    let claim = HostRequest::ClaimSession(ClaimSession {
        cwd: options.working_directory.to_string_lossy().into_owned(),
        // What it waited with is not the wanted one if that is the default.
        permission_mode: Some(options.launch.permission_mode.unwrap_or("default").to_owned()),
        ..ClaimSession::default()
    });
    let answer = agent.request_within(&claim, CLAIMED_WITHIN).await;
    if let Err(error) = &answer {
        tracing::info!(%error, "a waiting agent could not be bound to a folder: starting another");
    }
    answer.map(drop)
}

//! Agents that behave as their prompt says.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use agent::{
    Agent, AgentEvent, AgentGone, AgentSpec, EventSender, Exit, LaunchError, Launched, Launcher, Opening,
    Prepared, StopReceipt, TurnEnd, TurnEnding, Urgency, event_channel,
};
use async_trait::async_trait;
use domain::{ConversationId, Principal};
use tokio::sync::{Mutex, Notify, watch};
use uuid::Uuid;

/// What an agent does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    Completes,
    WaitsForInterrupt,
    Deaf,
    CannotStart,
    /// Its file system does not answer.
    HangsAtStart,
    Panics,
}

impl Behaviour {
    const ALL: [Self; 6] = [
        Self::Completes,
        Self::WaitsForInterrupt,
        Self::Deaf,
        Self::CannotStart,
        Self::HangsAtStart,
        Self::Panics,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Completes => "completes",
            Self::WaitsForInterrupt => "waits for interrupt",
            Self::Deaf => "deaf",
            Self::CannotStart => "cannot start",
            Self::HangsAtStart => "hangs at start",
            Self::Panics => "panics",
        }
    }
}

#[derive(Default)]
struct Counts {
    launched: AtomicUsize,
    alive: AtomicUsize,
    most_alive: AtomicUsize,
    forced: AtomicUsize,
    prompted: Notify,
    openings: std::sync::Mutex<Vec<Opening>>,
    /// Agents that were prepared.
    prepared: watch::Sender<usize>,
    /// Starts that hang.
    hanging: watch::Sender<usize>,
    /// How many lived whenever a conversation was forgotten.
    forgotten: watch::Sender<Vec<usize>>,
}

/// Starts scripted agents, and counts them.
#[derive(Default)]
pub(crate) struct ScriptedLauncher {
    counts: Arc<Counts>,
}

impl ScriptedLauncher {
    pub(crate) fn launched(&self) -> usize {
        self.counts.launched.load(Ordering::SeqCst)
    }

    pub(crate) fn alive(&self) -> usize {
        self.counts.alive.load(Ordering::SeqCst)
    }

    pub(crate) fn most_alive(&self) -> usize {
        self.counts.most_alive.load(Ordering::SeqCst)
    }

    pub(crate) fn forced(&self) -> usize {
        self.counts.forced.load(Ordering::SeqCst)
    }

    /// The conversations that agents were started for.
    pub(crate) fn openings(&self) -> Vec<Opening> {
        self.counts.openings.lock().expect("not poisoned").clone()
    }

    /// How many agents lived when the first conversation was forgotten, as soon as one is.
    pub(crate) async fn forgotten(&self) -> usize {
        let mut forgotten = self.counts.forgotten.subscribe();
        let forgotten = forgotten.wait_for(|forgotten| !forgotten.is_empty()).await.expect("ours");
        forgotten[0]
    }

    /// Waits until so many agents were prepared.
    pub(crate) async fn prepared(&self, count: usize) {
        self.counts.prepared.subscribe().wait_for(|prepared| *prepared >= count).await.expect("ours");
    }

    /// Waits until so many starts hang.
    pub(crate) async fn hanging(&self, count: usize) {
        self.counts.hanging.subscribe().wait_for(|hanging| *hanging >= count).await.expect("ours");
    }

    /// Waits until an agent has its prompt.
    pub(crate) async fn prompted(&self) {
        self.counts.prompted.notified().await;
    }
}

struct ScriptedAgent {
    counts: Arc<Counts>,
    events: Mutex<Option<EventSender>>,
    prompt: Mutex<Option<(Uuid, Behaviour)>>,
}

impl ScriptedAgent {
    async fn say(&self, event: AgentEvent) {
        if let Some(events) = &*self.events.lock().await {
            // The engine may have stopped to listen.
            events.send(event, 0).await;
        }
    }

    async fn end_turn(&self, id: Uuid, ending: TurnEnding) {
        self.say(AgentEvent::TurnEnded(TurnEnd {
            prompts: vec![id],
            ending,
            api_error: None,
            text: String::new(),
            turns: 0,
            tokens: None,
            cost_usd: 0.0,
            subtype: "success".into(),
            data: Box::default(),
        }))
        .await;
    }
}

#[async_trait]
impl Agent for ScriptedAgent {
    async fn prompt(&self, id: Uuid, text: &str) -> Result<(), AgentGone> {
        let behaviour =
            Behaviour::ALL.into_iter().find(|behaviour| behaviour.name() == text).ok_or(AgentGone)?;
        *self.prompt.lock().await = Some((id, behaviour));
        self.counts.prompted.notify_one();
        assert_ne!(behaviour, Behaviour::Panics, "a scripted panic");
        if behaviour == Behaviour::Completes {
            self.end_turn(id, TurnEnding::Completed).await;
        }
        Ok(())
    }

    async fn interrupt(&self) -> Result<(), AgentGone> {
        let prompt = *self.prompt.lock().await;
        if let Some((id, Behaviour::WaitsForInterrupt)) = prompt {
            self.end_turn(id, TurnEnding::Aborted).await;
        }
        Ok(())
    }

    async fn has_conversation(&self) -> bool {
        true
    }

    async fn vitals(&self) -> std::io::Result<agent::Vitals> {
        let nothing = Duration::ZERO;
        Ok(agent::Vitals { cpu: nothing, children_cpu: nothing, children: 0, memory_bytes: 0 })
    }

    fn silent_for(&self) -> Duration {
        Duration::ZERO
    }

    async fn stop(&self, urgency: Urgency) -> StopReceipt {
        if urgency == Urgency::Now {
            self.counts.forced.fetch_add(1, Ordering::SeqCst);
        }
        let took = Duration::from_millis(50);
        tokio::time::sleep(took).await;
        self.say(AgentEvent::Exited(Exit {
            code: Some(0),
            signal: None,
            stderr_tail: String::new(),
            conversation_lost: false,
        }))
        .await;
        self.events.lock().await.take();
        StopReceipt { interrupted: false, rungs: vec![], took, processes_killed: 0, processes_left: 0 }
    }
}

impl Drop for ScriptedAgent {
    fn drop(&mut self) {
        self.counts.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Launcher for ScriptedLauncher {
    async fn launch(&self, spec: AgentSpec) -> Result<Launched, LaunchError> {
        if spec.model.as_deref() == Some(Behaviour::CannotStart.name()) {
            return Err(LaunchError::NotStarted("no such file".into()));
        }
        if spec.model.as_deref() == Some(Behaviour::HangsAtStart.name()) {
            self.counts.hanging.send_modify(|hanging| *hanging += 1);
            return std::future::pending().await;
        }
        self.counts.launched.fetch_add(1, Ordering::SeqCst);
        self.counts.openings.lock().expect("not poisoned").push(spec.opening);
        let alive = self.counts.alive.fetch_add(1, Ordering::SeqCst) + 1;
        self.counts.most_alive.fetch_max(alive, Ordering::SeqCst);
        let (sender, events) = event_channel();
        let agent = ScriptedAgent {
            counts: self.counts.clone(),
            events: Mutex::new(Some(sender)),
            prompt: Mutex::default(),
        };
        agent.say(AgentEvent::Ready).await;
        let (Opening::New(conversation)
        | Opening::Resume(conversation)
        | Opening::ResumeTurn(conversation)
        | Opening::Fork { to: conversation, .. }) = spec.opening;
        Ok(Launched { agent: Box::new(agent), events, conversation })
    }

    async fn prepare(&self, _: &AgentSpec) -> Option<Box<dyn Prepared>> {
        self.counts.prepared.send_modify(|prepared| *prepared += 1);
        Some(Box::new(Spare(Self { counts: Arc::clone(&self.counts) })))
    }

    async fn has_prompt(&self, _: &Principal, _: ConversationId, _: Uuid) -> bool {
        false
    }

    async fn has_conversation(&self, _: &Principal, _: ConversationId) -> bool {
        true
    }

    async fn forget(&self, _: &Principal, _: ConversationId) {
        let alive = self.alive();
        self.counts.forgotten.send_modify(|forgotten| forgotten.push(alive));
    }
}

/// One that becomes whatever is wanted.
struct Spare(ScriptedLauncher);

#[async_trait]
impl Prepared for Spare {
    fn is_ready(&self) -> bool {
        true
    }

    fn fits(&self, _: &AgentSpec) -> bool {
        true
    }

    async fn bind(self: Box<Self>, spec: &AgentSpec) -> Result<Launched, LaunchError> {
        self.0.launch(spec.clone()).await
    }

    async fn stop(self: Box<Self>) -> StopReceipt {
        let took = Duration::ZERO;
        StopReceipt { interrupted: false, rungs: vec![], took, processes_killed: 0, processes_left: 0 }
    }

    fn pid(&self) -> u32 {
        0
    }
}

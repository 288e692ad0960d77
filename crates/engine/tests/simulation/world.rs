//! The world outside of the server: agents, their conversations on disk, and what their work did. It outlives every server.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use agent::{
    Agent, AgentEvent, AgentGone, AgentSpec, ApiError, Asked, EventSender, Exit, LaunchError, Launched,
    Launcher, Opening, Said, Statement, StopReceipt, TurnEnd, TurnEnding, Urgency, Vitals, event_channel,
};
use async_trait::async_trait;
use domain::{ConversationId, InputDigest, Principal, TokenUsage};
use tokio::task::AbortHandle;
use tokio::time::sleep;
use uuid::Uuid;

/// A conversation as it is on disk.
#[derive(Debug, Default, Clone)]
struct Conversation {
    /// Prompts, what they say, and whether their turn has ended.
    prompts: Vec<(Uuid, String, bool)>,
    writers: usize,
}

#[derive(Debug, Default)]
struct Inner {
    conversations: HashMap<ConversationId, Conversation>,
    alive: usize,
    /// How often the work of each text was done.
    done: HashMap<String, usize>,
    faults: Vec<String>,
}

#[derive(Debug, Default)]
pub(crate) struct World(Mutex<Inner>);

impl World {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("not poisoned")
    }

    pub(crate) fn alive(&self) -> usize {
        self.lock().alive
    }

    pub(crate) fn faults(&self) -> Vec<String> {
        self.lock().faults.clone()
    }

    /// How often the work that this prompt asks for was done.
    pub(crate) fn done(&self, prompt: &str) -> usize {
        self.lock().done.get(prompt).copied().unwrap_or(0)
    }

    /// Whether the agents of a conversation were told an answer; true when nothing is left of it.
    pub(crate) fn was_told_an_answer(&self, conversation: ConversationId) -> bool {
        let inner = self.lock();
        let prompts = inner.conversations.get(&conversation).map(|written| written.prompts.as_slice());
        let prompts = prompts.unwrap_or_default();
        let told = |text: &str| text.starts_with("A person ") || text.starts_with("Nobody ");
        prompts.is_empty() || prompts.iter().any(|(_, text, _)| told(text))
    }

    fn born(&self, conversation: ConversationId) {
        let mut inner = self.lock();
        inner.alive += 1;
        if inner.alive > crate::MOST_AGENTS {
            inner.faults.push(format!("{} agents live", crate::MOST_AGENTS + 1));
        }
        let written = inner.conversations.entry(conversation).or_default();
        written.writers += 1;
        if written.writers > 1 {
            inner.faults.push(format!("two agents write {conversation}"));
        }
    }

    fn died(&self, conversation: ConversationId) {
        let mut inner = self.lock();
        inner.alive -= 1;
        inner.conversations.entry(conversation).or_default().writers -= 1;
    }

    fn begin(&self, conversation: ConversationId, prompt: Uuid, text: &str) {
        let mut inner = self.lock();
        let written = inner.conversations.entry(conversation).or_default();
        if !written.prompts.iter().any(|(known, ..)| *known == prompt) {
            written.prompts.push((prompt, text.to_owned(), false));
        }
    }

    fn end(&self, conversation: ConversationId, prompt: Uuid) {
        let mut inner = self.lock();
        let written = inner.conversations.entry(conversation).or_default();
        written
            .prompts
            .iter_mut()
            .filter(|(known, ..)| *known == prompt)
            .for_each(|(.., ended)| *ended = true);
    }

    /// The side effect of a prompt. One that the conversation shows is not done again: the model sees it.
    fn work(&self, text: &str) {
        *self.lock().done.entry(text.to_owned()).or_default() += 1;
    }

    fn cut_off(&self, conversation: ConversationId) -> Option<(Uuid, String)> {
        let inner = self.lock();
        let (prompt, text, ended) = inner.conversations.get(&conversation)?.prompts.last()?.clone();
        (!ended).then_some((prompt, text))
    }

    /// What an agent that is to go on goes on with: the last prompt that asked for work.
    fn unfinished(&self, conversation: ConversationId) -> Option<String> {
        let inner = self.lock();
        let prompts = &inner.conversations.get(&conversation)?.prompts;
        prompts.iter().rev().find(|(_, text, _)| !goes_on(text)).map(|(_, text, _)| text.clone())
    }
}

/// Whether a prompt asks for no work of its own.
fn goes_on(prompt: &str) -> bool {
    prompt.starts_with("Continue")
        || prompt.starts_with("A person ")
        || prompt.starts_with("Nobody has decided")
}

/// Starts the world's agents.
pub(crate) struct Agents(pub(crate) Arc<World>);

struct SimulatedAgent {
    world: Arc<World>,
    conversation: ConversationId,
    /// Taken when it ends.
    events: tokio::sync::Mutex<Option<EventSender>>,
    turn: Mutex<Option<(Uuid, String, AbortHandle)>>,
    dead: Mutex<bool>,
    /// Whether somebody answers its questions.
    asks: bool,
}

impl SimulatedAgent {
    async fn sender(&self) -> Option<EventSender> {
        self.events.lock().await.clone()
    }

    fn die(&self) {
        let mut dead = self.dead.lock().expect("not poisoned");
        if !std::mem::replace(&mut *dead, true) {
            if let Some((.., turn)) = self.turn.lock().expect("not poisoned").take() {
                turn.abort();
            }
            self.world.died(self.conversation);
        }
    }

    /// Runs the turn of a prompt as its text says: `<name> <how> <milliseconds>`.
    fn start_turn(&self, events: EventSender, prompt: Uuid, asked: &str) {
        let world = Arc::clone(&self.world);
        let conversation = self.conversation;
        let text = match goes_on(asked) {
            true => world.unfinished(conversation).unwrap_or_default(),
            false => asked.to_owned(),
        };
        let turn =
            Turn { conversation, prompt, text: text.clone(), is_first: !goes_on(asked), asks: self.asks };
        let turn = tokio::spawn(run_turn(world, events, turn));
        *self.turn.lock().expect("not poisoned") = Some((prompt, text, turn.abort_handle()));
    }
}

struct Turn {
    conversation: ConversationId,
    prompt: Uuid,
    text: String,
    is_first: bool,
    asks: bool,
}

async fn run_turn(world: Arc<World>, events: EventSender, turn: Turn) {
    let Turn { conversation, prompt, text, is_first, asks } = turn;
    let mut words = text.split(' ').skip(1);
    let how = words.next().unwrap_or("ok").to_owned();
    let pause = Duration::from_millis(words.next().and_then(|word| word.parse().ok()).unwrap_or(1));
    events.send(AgentEvent::Counted { turns: 1, tokens: TokenUsage::default() }, 0).await;
    if world.done(&text) == 0 {
        world.work(&text);
        let statement = Statement::Text { content: text.clone(), model: "m".into() };
        events.send(AgentEvent::Said(Said { statement, parent_tool_use_id: None }), 0).await;
    }
    sleep(pause).await;
    let (ending, status) = match how.as_str() {
        "fails" => (TurnEnding::Failed("no".into()), None),
        "limited" if is_first => (TurnEnding::Failed("429".into()), Some(429)),
        "overloaded" if is_first => (TurnEnding::Failed("500".into()), Some(500)),
        "hangs" => std::future::pending().await,
        "asks" if is_first && asks => {
            let asked = Asked {
                tool_use_id: "call".into(),
                tool: "Bash".into(),
                input: Box::default(),
                digest: InputDigest([0; 32]),
                description: None,
                reason: None,
            };
            events.send(AgentEvent::Asked(Box::new(asked)), 0).await;
            (TurnEnding::Aborted, None)
        }
        "dies" if is_first => {
            let exit =
                Exit { code: Some(3), signal: None, stderr_tail: String::new(), conversation_lost: false };
            events.send(AgentEvent::Exited(exit), 0).await;
            return;
        }
        _ => (TurnEnding::Completed, None),
    };
    end_turn(&world, conversation, &events, prompt, ending, status).await;
}

async fn end_turn(
    world: &World,
    conversation: ConversationId,
    events: &EventSender,
    prompt: Uuid,
    ending: TurnEnding,
    status: Option<u16>,
) {
    world.end(conversation, prompt);
    let end = TurnEnd {
        prompts: vec![prompt],
        ending,
        api_error: status.map(|status| ApiError { status: Some(status), kind: "error".into() }),
        text: "done".into(),
        turns: 1,
        tokens: None,
        cost_usd: 0.0,
        subtype: "success".into(),
        data: Box::default(),
    };
    events.send(AgentEvent::TurnEnded(end), 0).await;
}

#[async_trait]
impl Agent for SimulatedAgent {
    async fn prompt(&self, id: Uuid, text: &str) -> Result<(), AgentGone> {
        let events = self.sender().await.ok_or(AgentGone)?;
        self.world.begin(self.conversation, id, text);
        self.start_turn(events, id, text);
        Ok(())
    }

    async fn interrupt(&self) -> Result<(), AgentGone> {
        let events = self.sender().await.ok_or(AgentGone)?;
        let turn = self.turn.lock().expect("not poisoned").take();
        if let Some((prompt, text, handle)) = turn {
            if text.contains(" deaf") {
                *self.turn.lock().expect("not poisoned") = Some((prompt, text, handle));
                return Ok(());
            }
            handle.abort();
            end_turn(&self.world, self.conversation, &events, prompt, TurnEnding::Aborted, None).await;
        }
        Ok(())
    }

    async fn has_conversation(&self) -> bool {
        Agents(Arc::clone(&self.world)).has_conversation(&Principal::default(), self.conversation).await
    }

    async fn vitals(&self) -> std::io::Result<Vitals> {
        Ok(Vitals { cpu: Duration::ZERO, children_cpu: Duration::ZERO, children: 0, memory_bytes: 1 })
    }

    fn silent_for(&self) -> Duration {
        Duration::ZERO
    }

    async fn stop(&self, urgency: Urgency) -> StopReceipt {
        // Long enough for others to come meanwhile.
        let took = Duration::from_millis(if urgency == Urgency::Now { 300 } else { 700 });
        sleep(took).await;
        self.die();
        if let Some(events) = self.events.lock().await.take() {
            let exit =
                Exit { code: Some(0), signal: None, stderr_tail: String::new(), conversation_lost: false };
            events.send(AgentEvent::Exited(exit), 0).await;
        }
        StopReceipt { interrupted: false, rungs: vec![], took, processes_killed: 0, processes_left: 0 }
    }
}

impl Drop for SimulatedAgent {
    fn drop(&mut self) {
        self.die();
    }
}

#[async_trait]
impl Launcher for Agents {
    async fn launch(&self, spec: AgentSpec) -> Result<Launched, LaunchError> {
        let conversation = match spec.opening {
            Opening::New(conversation) => conversation,
            Opening::Resume(from) | Opening::ResumeTurn(from) => {
                if !self.has_conversation(&spec.principal, from).await {
                    return Err(LaunchError::ConversationLost);
                }
                from
            }
            Opening::Fork { from, to } => {
                let mut inner = self.0.lock();
                let copy = inner.conversations.get(&from).cloned().ok_or(LaunchError::ConversationLost)?;
                let prompts = copy.prompts.into_iter().map(|(prompt, text, _)| (prompt, text, true));
                inner.conversations.insert(to, Conversation { prompts: prompts.collect(), writers: 0 });
                to
            }
        };
        self.0.born(conversation);
        let (sender, events) = event_channel();
        let agent = SimulatedAgent {
            world: Arc::clone(&self.0),
            conversation,
            events: tokio::sync::Mutex::new(Some(sender.clone())),
            turn: Mutex::default(),
            dead: Mutex::default(),
            asks: spec.asking.is_possible,
        };
        let rerun = match spec.opening {
            Opening::ResumeTurn(_) => self.0.cut_off(conversation),
            _ => None,
        };
        if let Some((prompt, text)) = rerun {
            sender.send(AgentEvent::TurnResumed, 0).await;
            sender.send(AgentEvent::Ready, 0).await;
            agent.start_turn(sender, prompt, &text);
        } else {
            sender.send(AgentEvent::Ready, 0).await;
        }
        Ok(Launched { agent: Box::new(agent), events, conversation })
    }

    async fn has_prompt(&self, _: &Principal, conversation: ConversationId, prompt: Uuid) -> bool {
        let inner = self.0.lock();
        let written = inner.conversations.get(&conversation);
        written.is_some_and(|written| written.prompts.iter().any(|(known, ..)| *known == prompt))
    }

    async fn has_conversation(&self, _: &Principal, conversation: ConversationId) -> bool {
        let inner = self.0.lock();
        inner.conversations.get(&conversation).is_some_and(|written| !written.prompts.is_empty())
    }

    async fn forget(&self, _: &Principal, conversation: ConversationId) {
        if let Some(written) = self.0.lock().conversations.get_mut(&conversation) {
            written.prompts.clear();
        }
    }
}

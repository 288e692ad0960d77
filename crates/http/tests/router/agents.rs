//! Agents that a test lets speak.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use agent::{
    Agent, AgentEvent, AgentGone, AgentSpec, Asked, EventSender, Exit, LaunchError, Launched, Launcher,
    Opening, Said, Statement, StopReceipt, TurnEnd, TurnEnding, Urgency, event_channel,
};
use async_trait::async_trait;
use domain::{ConversationId, InputDigest, Principal};
use serde_json::value::RawValue;
use tokio::sync::watch;
use uuid::Uuid;

/// What a prompt begins with that its agent does not answer before the test says so.
const HOLD: &str = "hold";

/// Starts agents that say their prompt and are done, unless it begins with [`HOLD`].
pub(crate) struct Script {
    turns: Arc<Turns>,
}

/// An agent's mouth. Closed when the agent is stopped: its events end by that.
#[derive(Clone)]
struct Mouth(Arc<Mutex<Option<EventSender>>>);

impl Mouth {
    async fn say(&self, event: AgentEvent) -> bool {
        let events = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match events {
            Some(events) => events.send(event, 0).await,
            None => false,
        }
    }

    fn close(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

struct Turns {
    /// What agents were given.
    prompts: Mutex<HashSet<Uuid>>,
    open: Mutex<HashMap<String, (Mouth, Uuid)>>,
    changes: watch::Sender<()>,
}

impl Turns {
    fn find(&self, prompt: &str) -> Option<(Mouth, Uuid)> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).get(prompt).cloned()
    }

    fn add(&self, prompt: &str, mouth: Mouth, id: Uuid) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(prompt.to_owned(), (mouth, id));
        self.changes.send_replace(());
    }
}

impl Default for Script {
    fn default() -> Self {
        Self {
            turns: Arc::new(Turns {
                prompts: Mutex::default(),
                open: Mutex::default(),
                changes: watch::Sender::new(()),
            }),
        }
    }
}

impl Script {
    /// Waits until an agent has that prompt.
    async fn turn(&self, prompt: &str) -> (Mouth, Uuid) {
        let mut changes = self.turns.changes.subscribe();
        loop {
            if let Some(turn) = self.turns.find(prompt) {
                return turn;
            }
            changes.changed().await.expect("a prompt");
        }
    }

    /// Lets the agent that has that prompt say something.
    pub(crate) async fn say(&self, prompt: &str, text: &str) {
        let (mouth, _) = self.turn(prompt).await;
        assert!(mouth.say(said(text)).await);
    }

    /// Lets the agent that has that prompt ask whether a tool may run.
    pub(crate) async fn ask(&self, prompt: &str, tool: &str, input: &str) {
        let (mouth, id) = self.turn(prompt).await;
        let asked = Asked {
            tool_use_id: "call".into(),
            tool: tool.to_owned(),
            input: RawValue::from_string(input.to_owned()).expect("JSON"),
            digest: InputDigest([0; 32]),
            description: Some("a line".into()),
            reason: Some("a rule".into()),
        };
        assert!(mouth.say(AgentEvent::Asked(Box::new(asked))).await);
        assert!(mouth.say(ended(id, TurnEnding::Aborted)).await);
    }

    /// Lets the agent that has that prompt end its turn.
    pub(crate) async fn finish(&self, prompt: &str) {
        let (mouth, id) = self.turn(prompt).await;
        assert!(mouth.say(ended(id, TurnEnding::Completed)).await);
    }
}

fn said(text: &str) -> AgentEvent {
    let statement = Statement::Text { content: text.to_owned(), model: "m".to_owned() };
    AgentEvent::Said(Said { statement, parent_tool_use_id: None })
}

fn ended(id: Uuid, ending: TurnEnding) -> AgentEvent {
    AgentEvent::TurnEnded(TurnEnd {
        prompts: vec![id],
        ending,
        api_error: None,
        text: "done".into(),
        turns: 1,
        tokens: None,
        cost_usd: 0.25,
        subtype: "success".into(),
        data: Box::default(),
    })
}

struct ScriptedAgent {
    turns: Arc<Turns>,
    mouth: Mouth,
    turn: Mutex<Option<Uuid>>,
}

#[async_trait]
impl Agent for ScriptedAgent {
    async fn prompt(&self, id: Uuid, text: &str) -> Result<(), AgentGone> {
        *self.turn.lock().unwrap_or_else(PoisonError::into_inner) = Some(id);
        self.turns.prompts.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        if text.starts_with(HOLD) {
            self.turns.add(text, self.mouth.clone(), id);
        } else {
            self.mouth.say(said(text)).await;
            self.mouth.say(ended(id, TurnEnding::Completed)).await;
        }
        Ok(())
    }

    async fn interrupt(&self) -> Result<(), AgentGone> {
        let turn = *self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = turn {
            self.mouth.say(ended(id, TurnEnding::Aborted)).await;
        }
        Ok(())
    }

    async fn has_conversation(&self) -> bool {
        true
    }

    async fn vitals(&self) -> std::io::Result<agent::Vitals> {
        Err(std::io::Error::other("it has no process"))
    }

    fn silent_for(&self) -> Duration {
        Duration::ZERO
    }

    async fn stop(&self, _: Urgency) -> StopReceipt {
        let exit = Exit { code: Some(0), signal: None, stderr_tail: String::new(), conversation_lost: false };
        self.mouth.say(AgentEvent::Exited(exit)).await;
        self.mouth.close();
        StopReceipt {
            interrupted: false,
            rungs: Vec::new(),
            took: Duration::ZERO,
            processes_killed: 0,
            processes_left: 0,
        }
    }
}

#[async_trait]
impl Launcher for Script {
    async fn launch(&self, spec: AgentSpec) -> Result<Launched, LaunchError> {
        let (sender, events) = event_channel();
        sender.send(AgentEvent::Ready, 0).await;
        let (Opening::New(conversation)
        | Opening::Resume(conversation)
        | Opening::ResumeTurn(conversation)
        | Opening::Fork { to: conversation, .. }) = spec.opening;
        let mouth = Mouth(Arc::new(Mutex::new(Some(sender))));
        let agent = ScriptedAgent { turns: Arc::clone(&self.turns), mouth, turn: Mutex::default() };
        Ok(Launched { agent: Box::new(agent), events, conversation })
    }

    async fn has_prompt(&self, _: &Principal, _: ConversationId, prompt: Uuid) -> bool {
        self.turns.prompts.lock().unwrap_or_else(PoisonError::into_inner).contains(&prompt)
    }

    async fn has_conversation(&self, _: &Principal, _: ConversationId) -> bool {
        true
    }

    async fn forget(&self, _: &Principal, _: ConversationId) {}
}

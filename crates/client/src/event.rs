//! An event, as a reader has it.

use api::CompleteData;
use serde::Deserialize;
use serde_json::Value;

/// One event of a task.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    text: String,
    value: Value,
}

impl Event {
    /// Reads one.
    ///
    /// # Errors
    /// When it is not JSON.
    pub fn read(text: &str) -> Result<Self, serde_json::Error> {
        Ok(Self { text: text.to_owned(), value: serde_json::from_str(text)? })
    }

    /// The event as it was sent: one line.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its number within the task; `None` for what belongs to no log, which has 0 or none.
    #[must_use]
    pub fn seq(&self) -> Option<u64> {
        self.value["seq"].as_u64().filter(|seq| *seq > 0)
    }

    /// Its `type`; empty when it has none.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.value["type"].as_str().unwrap_or_default()
    }

    /// When it was committed, in RFC 3339; empty when it does not say.
    #[must_use]
    pub fn timestamp(&self) -> &str {
        self.value["timestamp"].as_str().unwrap_or_default()
    }

    /// More about it.
    #[must_use]
    pub fn data(&self) -> &Value {
        &self.value["data"]
    }

    /// How the task ended, when this is its last event.
    #[must_use]
    pub fn completion(&self) -> Option<CompleteData> {
        if self.ends_the_task() { CompleteData::deserialize(self.data()).ok() } else { None }
    }

    /// Whether it is the task's last.
    #[must_use]
    pub fn ends_the_task(&self) -> bool {
        self.kind() == "complete"
    }

    /// The task's exit code, when this is its last event; 1 when it has none that a process could end with.
    #[must_use]
    pub fn exit_code(&self) -> Option<u8> {
        let code = || self.data()["exit_code"].as_u64().and_then(|code| u8::try_from(code).ok());
        self.ends_the_task().then(|| code().unwrap_or(1))
    }
}

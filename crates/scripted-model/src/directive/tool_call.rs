//! The tool calls a script asks for, and what they look like on the wire.

use serde_json::{Value, json};

/// A tool call as the script says it; paths still as written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ToolCall {
    Write { path: String, content: String },
    Edit { path: String, old: String, new: String },
    Read { path: String },
    Bash { command: String, background: bool },
    Agent { prompt: String },
    Ask { question: String, labels: Vec<String> },
    Named { name: String, input: ToolInput },
}

/// The input of a tool call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ToolInput {
    /// Valid JSON.
    Json(Value),
    /// Sent as it is, to see what the receiver does with it.
    Broken(String),
}

/// What a call must know of the request it answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ToolContext<'a> {
    /// Where relative paths start.
    pub(crate) working_directory: Option<&'a str>,
    /// The names of the tools the request offers.
    pub(crate) offered: &'a [String],
}

impl ToolCall {
    /// The tool's name and input as they go into a `tool_use` block.
    pub(crate) fn name_and_input(&self, context: ToolContext<'_>) -> (String, ToolInput) {
        let absolute = |path: &str| context.absolute(path);
        let (name, input) = match self {
            Self::Write { path, content } => {
                ("Write", json!({ "file_path": absolute(path), "content": content }))
            }
            Self::Edit { path, old, new } => (
                "Edit",
                json!({ "file_path": absolute(path), "old_string": old, "new_string": new, "replace_all": false }),
            ),
            Self::Read { path } => ("Read", json!({ "file_path": absolute(path) })),
            Self::Bash { command, background } => ("Bash", bash_input(command, *background)),
            Self::Agent { prompt } => (context.agent_tool(), agent_input(prompt)),
            Self::Ask { question, labels } => ("AskUserQuestion", ask_input(question, labels)),
            Self::Named { name, input } => return (name.clone(), input.clone()),
        };
        (name.to_owned(), ToolInput::Json(input))
    }
}

impl ToolContext<'_> {
    fn absolute(&self, path: &str) -> String {
        match self.working_directory {
            Some(directory) if !path.starts_with('/') => {
                format!("{}/{path}", directory.trim_end_matches('/'))
            }
            _ => path.to_owned(),
        }
    }

    /// The sub-agent tool was called Task before it was called Agent.
    fn agent_tool(&self) -> &'static str {
        let offers = |name: &str| self.offered.iter().any(|tool| tool == name);
        if offers("Task") && !offers("Agent") { "Task" } else { "Agent" }
    }
}

fn bash_input(command: &str, background: bool) -> Value {
    let mut input = json!({ "command": command, "description": "Run a scripted command" });
    if background && let Some(fields) = input.as_object_mut() {
        fields.insert("run_in_background".to_owned(), Value::Bool(true));
    }
    input
}

fn agent_input(prompt: &str) -> Value {
    json!({ "description": "Run a scripted sub-agent", "subagent_type": "general-purpose", "prompt": prompt })
}

fn ask_input(question: &str, labels: &[String]) -> Value {
    let options: Vec<Value> = labels
        .iter()
        .map(|label| json!({ "label": label, "description": format!("Choose {label}") }))
        .collect();
    json!({ "questions": [{ "question": question, "header": "Question", "multiSelect": false, "options": options }] })
}

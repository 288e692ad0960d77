//! Reads the body of a submission and finds all its faults at once.

use api::{Fault, OptionsRequest, SessionRequest, TaskRequest};
use domain::TaskId;
use serde_json::{Map, Value};

use super::{invalid, invalid_all};
use crate::refusal::Refusal;

/// Longest timeout, in seconds: 30 days.
const MAX_TIMEOUT_SECONDS: u64 = 30 * 24 * 3600;
const MAX_TURNS: u64 = 100_000;
/// Longest model name, in bytes.
const MAX_MODEL_BYTES: usize = 256;
/// Most bytes of all allowed tools together: they go onto the CLI's command line, which takes 128 KiB an argument.
const MAX_TOOLS_BYTES: usize = 32 * 1024;

/// The request, or every fault that it has.
pub(crate) fn task_request(body: &[u8]) -> Result<TaskRequest, Refusal> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| invalid("", format!("the body is not JSON: {error}")))?;
    let Value::Object(body) = value else { return Err(invalid("", "the body is not a JSON object")) };
    let mut faults = Vec::new();
    let mut fields = Fields { path: "", object: &body, faults: &mut faults };
    let task_id = fields.text("task_id");
    if let Some(Err(error)) = task_id.as_deref().map(TaskId::parse) {
        fields.fault("task_id", error.to_string());
    }
    let prompt = fields.required_text("prompt");
    let workspace = fields.required_text("workspace");
    let options = fields.object("options").map(|object| options(object, &mut faults));
    let mut fields = Fields { path: "", object: &body, faults: &mut faults };
    let session = fields.object("session").map(|object| session(object, &mut faults));
    match (prompt, workspace) {
        (Some(prompt), Some(workspace)) if faults.is_empty() => Ok(TaskRequest {
            task_id,
            prompt,
            workspace,
            options: options.unwrap_or_default(),
            session: session.unwrap_or_default(),
        }),
        _ => Err(invalid_all(faults)),
    }
}

fn options(object: &Map<String, Value>, faults: &mut Vec<Fault>) -> OptionsRequest {
    let mut fields = Fields { path: "/options", object, faults };
    let mode = fields.text("permission_mode").map(|mode| mode.parse());
    let permission_mode = match mode {
        Some(Err(allowed)) => {
            fields.fault("permission_mode", allowed);
            None
        }
        Some(Ok(mode)) => Some(mode),
        None => None,
    };
    let model = fields.text("model");
    let fits = |model: &str| {
        !model.is_empty() && model.len() <= MAX_MODEL_BYTES && !model.chars().any(char::is_control)
    };
    if model.as_deref().is_some_and(|model| !fits(model)) {
        fields.fault(
            "model",
            format!("must be a model's name of at most {MAX_MODEL_BYTES} characters, or null"),
        );
    }
    OptionsRequest {
        allowed_tools: fields.tools("allowed_tools"),
        permission_mode,
        max_turns: fields.number("max_turns", MAX_TURNS).and_then(|turns| u32::try_from(turns).ok()),
        timeout: fields.number("timeout", MAX_TIMEOUT_SECONDS),
        model,
        cwd: fields.text("cwd"),
    }
}

fn session(object: &Map<String, Value>, faults: &mut Vec<Fault>) -> SessionRequest {
    let mut fields = Fields { path: "/session", object, faults };
    let reuse_existing = match fields.get("reuse_existing") {
        None => false,
        Some(Value::Bool(reuse)) => *reuse,
        Some(_) => {
            fields.fault("reuse_existing", "must be true or false".to_owned());
            false
        }
    };
    let session_id = fields.text("session_id");
    if reuse_existing && session_id.is_none() && fields.get("session_id").is_none() {
        fields.fault("session_id", "is needed with reuse_existing".to_owned());
    }
    SessionRequest { reuse_existing, session_id }
}

/// An object's fields, and the faults found so far.
struct Fields<'a, 'f> {
    path: &'static str,
    object: &'a Map<String, Value>,
    faults: &'f mut Vec<Fault>,
}

impl<'a> Fields<'a, '_> {
    /// A field that is there and not null.
    fn get(&self, name: &str) -> Option<&'a Value> {
        self.object.get(name).filter(|value| !value.is_null())
    }

    fn fault(&mut self, name: &str, detail: String) {
        self.faults.push(Fault { pointer: format!("{}/{name}", self.path), detail });
    }

    fn text(&mut self, name: &str) -> Option<String> {
        match self.get(name)? {
            Value::String(text) => Some(text.clone()),
            _ => {
                self.fault(name, "must be a text".to_owned());
                None
            }
        }
    }

    fn required_text(&mut self, name: &str) -> Option<String> {
        if self.get(name).is_none() {
            self.fault(name, "is required".to_owned());
            return None;
        }
        let text = self.text(name)?;
        if text.trim().is_empty() {
            self.fault(name, "must not be empty".to_owned());
        }
        Some(text)
    }

    fn number(&mut self, name: &str, max: u64) -> Option<u64> {
        let value = self.get(name)?;
        // Some clients write whole seconds as 60.0.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole and within 1..=max"
        )]
        let whole = value.as_u64().or_else(|| {
            let number = value.as_f64()?;
            (number.fract() == 0.0 && number >= 1.0 && number <= max as f64).then_some(number as u64)
        });
        let number = whole.filter(|number| (1..=max).contains(number));
        if number.is_none() {
            self.fault(name, format!("must be a whole number from 1 to {max}"));
        }
        number
    }

    fn tools(&mut self, name: &str) -> Option<Vec<String>> {
        let Value::Array(items) = self.get(name)? else {
            self.fault(name, "must be a list of tool names".to_owned());
            return None;
        };
        let mut tools = Vec::with_capacity(items.len());
        for (place, item) in items.iter().enumerate() {
            match item {
                Value::String(tool) if is_tool_rule(tool) => tools.push(tool.clone()),
                _ => {
                    let detail = "must be one tool's name, such as Bash, or a rule, such as Bash(git *)";
                    self.fault(&format!("{name}/{place}"), detail.to_owned());
                }
            }
        }
        if tools.iter().map(String::len).sum::<usize>() > MAX_TOOLS_BYTES {
            self.fault(name, format!("must have at most {MAX_TOOLS_BYTES} characters in all"));
        }
        Some(tools)
    }

    fn object(&mut self, name: &str) -> Option<&'a Map<String, Value>> {
        match self.get(name)? {
            Value::Object(object) => Some(object),
            _ => {
                self.fault(name, "must be an object".to_owned());
                None
            }
        }
    }
}

/// A name, or a name and something in parentheses.
fn is_tool_rule(text: &str) -> bool {
    let (name, rule) = text.split_once('(').map_or((text, None), |(name, rule)| (name, Some(rule)));
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '*');
    starts
        && name.chars().all(allowed)
        && rule.is_none_or(|rule| rule.ends_with(')') && !rule.chars().any(char::is_control))
}

#[cfg(test)]
mod tests {
    use domain::PermissionMode;

    use super::*;

    fn faults(body: &str) -> Vec<(String, String)> {
        let refusal = task_request(body.as_bytes()).expect_err("a refusal");
        assert_eq!(refusal.status, axum::http::StatusCode::UNPROCESSABLE_ENTITY);
        refusal.faults.into_iter().map(|fault| (fault.pointer, fault.detail)).collect()
    }

    #[test]
    fn every_fault_is_pointed_at() {
        let body = r#"{"task_id":"a/b","workspace":7,"options":{"permission_mode":"yolo","timeout":0,
            "max_turns":"5","allowed_tools":["Read",3,""],"model":"","cwd":[]},
            "session":{"reuse_existing":"yes"}}"#;
        let pointers: Vec<_> = faults(body).into_iter().map(|(pointer, _)| pointer).collect();
        assert_eq!(
            pointers,
            [
                "/task_id",
                "/prompt",
                "/workspace",
                "/options/permission_mode",
                "/options/model",
                "/options/allowed_tools/1",
                "/options/allowed_tools/2",
                "/options/max_turns",
                "/options/timeout",
                "/options/cwd",
                "/session/reuse_existing",
            ]
        );
    }

    #[test]
    fn tools_are_named_one_by_one() {
        for tool in ["Bash", "Bash(git *)", "Bash(echo (a, b))", "mcp__server__tool", "mcp__server__*"] {
            assert!(is_tool_rule(tool), "{tool}");
        }
        for text in ["", " ", "Bash,Write", "Bash Write", "*", "Bash(", "--model", "Bash(a)b", "Bash(\n)"] {
            assert!(!is_tool_rule(text), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_object_is_said_to_be_none() {
        assert_eq!(
            faults("{"),
            [(String::new(), "the body is not JSON: EOF while parsing an object at line 1 column 1".into())]
        );
        assert_eq!(faults("[]"), [(String::new(), "the body is not a JSON object".into())]);
        let reuse = r#"{"prompt":"p","workspace":"/w","session":{"reuse_existing":true,"session_id":null}}"#;
        assert_eq!(faults(reuse), [("/session/session_id".into(), "is needed with reuse_existing".into())]);
    }

    #[test]
    fn a_full_request_and_a_bare_one_are_read() {
        let full = r#"{"task_id":"t","prompt":"p","workspace":"/w","extra":1,"options":{"allowed_tools":["Read"],
            "permission_mode":"plan","max_turns":5,"timeout":60.0,"model":null,"cwd":null},
            "session":{"reuse_existing":true,"session_id":"s"}}"#;
        let request = task_request(full.as_bytes()).expect("valid");
        let expected = TaskRequest {
            task_id: Some("t".into()),
            prompt: "p".into(),
            workspace: "/w".into(),
            options: OptionsRequest {
                allowed_tools: Some(vec!["Read".into()]),
                permission_mode: Some(PermissionMode::Plan),
                max_turns: Some(5),
                timeout: Some(60),
                model: None,
                cwd: None,
            },
            session: SessionRequest { reuse_existing: true, session_id: Some("s".into()) },
        };
        assert_eq!(request, expected);
        let bare = task_request(br#"{"prompt":"p","workspace":"/w","options":null}"#).expect("valid");
        assert_eq!((bare.options, bare.session), (OptionsRequest::default(), SessionRequest::default()));
    }
}

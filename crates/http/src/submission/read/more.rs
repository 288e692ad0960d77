//! The options that few tasks need. What becomes part of a command line, or of the CLI's `initialize`, is looked at key by key:
//! nothing gets there that is not known here.

use domain::Effort;
use serde_json::{Map, Value};

use super::options::is_tool_rule;
use crate::submission::fields::Fields;

/// Longest system prompt, and largest JSON of an option, in bytes.
const MAX_BYTES: usize = 64 * 1024;
/// Most folders beside the workspace.
const MAX_DIRS: usize = 16;
/// Most sub-agents, and most MCP servers.
const MAX_NAMED: usize = 32;

type Object = Map<String, Value>;

pub(super) fn prompt(fields: &mut Fields<'_, '_>, name: &str) -> Option<String> {
    let text = fields.text(name)?;
    if text.len() > MAX_BYTES {
        fields.fault(name, format!("must have at most {MAX_BYTES} bytes"));
    }
    Some(text)
}

pub(super) fn effort(fields: &mut Fields<'_, '_>) -> Option<Effort> {
    let words =
        [Effort::Low, Effort::Medium, Effort::High, Effort::Max].map(|effort| (effort.as_str(), effort));
    fields.word("effort", &words)
}

pub(super) fn add_dirs(fields: &mut Fields<'_, '_>) -> Option<Vec<String>> {
    let items = fields.list("add_dirs", "folders")?;
    if items.len() > MAX_DIRS {
        fields.fault("add_dirs", format!("must have at most {MAX_DIRS} folders"));
    }
    let mut dirs = Vec::with_capacity(items.len());
    for (place, item) in items.iter().enumerate() {
        match item {
            Value::String(dir) if !dir.trim().is_empty() => dirs.push(dir.clone()),
            _ => fields.fault(&format!("add_dirs/{place}"), "must be a folder's path"),
        }
    }
    Some(dirs)
}

/// An object of objects by names, each of which `check` has to find in order.
fn named(
    fields: &mut Fields<'_, '_>,
    name: &str,
    check: impl Fn(&Object) -> Result<(), &'static str>,
) -> Option<Object> {
    let object = fields.object(name)?;
    if object.len() > MAX_NAMED {
        fields.fault(name, format!("must have at most {MAX_NAMED} entries"));
    }
    for (key, value) in object {
        let shown: String = key.chars().filter(|c| c.is_ascii_graphic()).take(64).collect();
        if !is_name(key) {
            fields.fault(
                name,
                format!("has a name that is not made of 1 to 64 letters, digits, _ and -: {shown:?}"),
            );
        } else if let Err(detail) = value.as_object().ok_or("must be an object").and_then(&check) {
            fields.fault(&format!("{name}/{key}"), detail);
        }
    }
    bounded(fields, name, object)
}

fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (1..=64).contains(&text.len()) && text.bytes().all(allowed) && !text.starts_with('-')
}

fn bounded(fields: &mut Fields<'_, '_>, name: &str, object: &Object) -> Option<Object> {
    if Value::Object(object.clone()).to_string().len() > MAX_BYTES {
        fields.fault(name, format!("must have at most {MAX_BYTES} bytes as JSON"));
    }
    Some(object.clone())
}

fn only(object: &Object, known: &[&str]) -> bool {
    object.keys().all(|key| known.contains(&key.as_str()))
}

fn is_text(value: Option<&Value>) -> bool {
    value.and_then(Value::as_str).is_some_and(|text| !text.trim().is_empty())
}

fn are_texts(value: Option<&Value>) -> bool {
    value.is_none_or(|value| value.as_array().is_some_and(|items| items.iter().all(Value::is_string)))
}

fn is_map_of_texts(value: Option<&Value>) -> bool {
    value.is_none_or(|value| value.as_object().is_some_and(|map| map.values().all(Value::is_string)))
}

pub(super) fn agents(fields: &mut Fields<'_, '_>) -> Option<Object> {
    named(fields, "agents", |agent| {
        let tools = agent.get("tools").and_then(Value::as_array).into_iter().flatten();
        let known = only(agent, &["description", "prompt", "tools", "model"]);
        let fits = known
            && is_text(agent.get("description"))
            && is_text(agent.get("prompt"))
            && are_texts(agent.get("tools"))
            && tools.filter_map(Value::as_str).all(is_tool_rule)
            && (!agent.contains_key("model") || is_text(agent.get("model")));
        fits.then_some(())
            .ok_or("must have the texts description and prompt, and may have tools (a list) and model")
    })
}

pub(super) fn mcp_servers(fields: &mut Fields<'_, '_>) -> Option<Object> {
    named(fields, "mcp_servers", |server| {
        let remote = || {
            let url = server.get("url").and_then(Value::as_str).unwrap_or_default();
            let is_web = url.starts_with("https://") || url.starts_with("http://");
            is_web && only(server, &["type", "url", "headers"]) && is_map_of_texts(server.get("headers"))
        };
        let fits = match server.get("type").map(Value::as_str) {
            None | Some(Some("stdio")) => {
                only(server, &["type", "command", "args", "env"])
                    && is_text(server.get("command"))
                    && are_texts(server.get("args"))
                    && is_map_of_texts(server.get("env"))
            }
            Some(Some("http" | "sse")) => remote(),
            Some(_) => false,
        };
        let detail = "must have command, and may have args (a list) and env (texts by name); or the type http or sse and url, \
                      and may have headers (texts by name)";
        fits.then_some(()).ok_or(detail)
    })
}

pub(super) fn output_schema(fields: &mut Fields<'_, '_>) -> Option<Object> {
    let name = "output_schema";
    let schema = fields.object(name)?;
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        fields.fault(name, "must be a JSON schema of the type object");
    }
    bounded(fields, name, schema)
}

#[cfg(test)]
mod tests {
    use crate::submission::task_request;

    fn faults(options: &str) -> Vec<(String, String)> {
        let body = format!(r#"{{"prompt":"p","workspace":"/w","options":{options}}}"#);
        let faults = task_request(body.as_bytes()).map_or_else(|refusal| refusal.faults, |_| Vec::new());
        faults.into_iter().map(|fault| (fault.pointer, fault.detail)).collect()
    }

    #[test]
    fn what_the_sdk_knows_is_taken() {
        let options = r#"{"system_prompt":"be brief","append_system_prompt":"and kind","tools":["Read"],
            "disallowed_tools":["Bash(rm *)"],"fallback_model":"sonnet","effort":"high","max_thinking_tokens":4096,
            "add_dirs":["/w/other"],"agents":{"reviewer":{"description":"d","prompt":"p","tools":["Read"],"model":"haiku"}},
            "mcp_servers":{"db":{"command":"db-server","args":["--ro"],"env":{"TOKEN":"t"}},"web":{"type":"http",
            "url":"https://example.com/mcp","headers":{"x":"y"}}},"output_schema":{"type":"object"}}"#;
        assert_eq!(faults(options), []);
    }

    #[test]
    fn nothing_else_gets_through() {
        let options = r#"{"system_prompt":7,"tools":["--dangerous"],"disallowed_tools":[""],"fallback_model":"--settings=x",
            "effort":"extreme","max_thinking_tokens":1,"add_dirs":[7],
            "agents":{"a":{"description":"d","prompt":"p","permissionMode":"bypassPermissions"},"-b":{}},
            "mcp_servers":{"s":{"type":"sdk","name":"x"},"t":{"command":"c","cwd":"/"},"u":{"type":"http","url":"file:///etc"}},
            "output_schema":{"type":"array"}}"#;
        let pointers: Vec<_> = faults(options).into_iter().map(|(pointer, _)| pointer).collect();
        let expected = [
            "/options/system_prompt",
            "/options/tools/0",
            "/options/disallowed_tools/0",
            "/options/fallback_model",
            "/options/effort",
            "/options/max_thinking_tokens",
            "/options/add_dirs/0",
            "/options/agents",
            "/options/agents/a",
            "/options/mcp_servers/s",
            "/options/mcp_servers/t",
            "/options/mcp_servers/u",
            "/options/output_schema",
        ];
        assert_eq!(pointers, expected);
    }
}

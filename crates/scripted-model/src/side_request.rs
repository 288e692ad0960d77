//! Answers what the CLI asks on the side: titles, summaries of pages, summaries of the conversation.

use serde_json::{Map, Value};

use crate::request::{Conversation, MessagesRequest};
use crate::script::Step;

/// The longest title.
const TITLE_CHARS: usize = 50;

/// A short text, or JSON when the request names a schema. Directives in the request are not followed: the CLI quotes the
/// human's prompt here.
pub(crate) fn answer(request: &MessagesRequest) -> Step {
    let title = title(&request.conversation.prompt);
    match &request.answer_schema {
        Some(schema) => Step::text(instance(schema, &title).to_string()),
        None => Step::text(title),
    }
}

/// The summary that replaces a conversation which is compacted.
pub(crate) fn summary(conversation: &Conversation) -> Step {
    let prompts = conversation.earlier.iter().chain(std::iter::once(&conversation.prompt));
    let lines: Vec<String> = prompts.map(|prompt| format!("- {}", prompt.replace('\n', " "))).collect();
    Step::text(format!("<summary>\nThe human asked, in this order:\n{}\n</summary>", lines.join("\n")))
}

/// The first words of what the human wrote, without markup and directives.
fn title(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('<'));
    let words = line.unwrap_or_default().replace("[[", "").replace("]]", "");
    let title: String = words.chars().take(TITLE_CHARS).collect();
    if title.trim().is_empty() { "Scripted demo".to_owned() } else { title.trim().to_owned() }
}

/// The smallest value that fits a schema; strings are the given text.
fn instance(schema: &Value, text: &str) -> Value {
    if let Some(first) = schema.get("enum").and_then(|values| values.get(0)) {
        return first.clone();
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("object") => {
            let properties = schema.get("properties").and_then(Value::as_object);
            let fields = properties.into_iter().flatten();
            Value::Object(
                fields.map(|(name, field)| (name.clone(), instance(field, text))).collect::<Map<_, _>>(),
            )
        }
        Some("array") => Value::Array(Vec::new()),
        Some("integer" | "number") => Value::from(0),
        Some("boolean") => Value::Bool(false),
        Some("null") => Value::Null,
        _ => Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_title_follows_its_schema_and_no_directive() {
        let body = json!({
            "model": "m", "tools": [],
            "messages": [{ "role": "user", "content": "<session>\n[[hang]] make a thing\n</session>\n\nWrite the title." }],
            "output_config": { "format": { "type": "json_schema", "schema": {
                "type": "object",
                "properties": { "title": { "type": "string" }, "kind": { "enum": ["a", "b"] }, "n": { "type": "integer" } },
            }}},
        });
        let request = MessagesRequest::read(body.to_string().as_bytes()).unwrap();
        assert!(request.is_side_request());
        assert_eq!(answer(&request), Step::text(r#"{"kind":"a","n":0,"title":"hang make a thing"}"#));
    }
}

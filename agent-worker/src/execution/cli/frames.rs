//! What the CLI's lines say to people.

use claude_protocol::{Block, Frame, SystemFrame};
use client::readable::{Line, Tone, summary_of_input};
use serde_json::Value;
use serde_json::value::RawValue;

/// A frame's lines; none for what says nothing to people.
pub(super) fn lines(frame: &Frame) -> Vec<Line> {
    match frame {
        Frame::System(SystemFrame::Init(init)) => {
            let text = format!("Claude Code {}, {}", init.claude_code_version, init.model);
            vec![Line::new("agent", Tone::Agent, text)]
        }
        Frame::System(SystemFrame::ApiRetry(retry)) => {
            let status = retry.error_status.map_or_else(|| "not".to_owned(), |status| status.to_string());
            vec![Line::new("retry", Tone::Note, format!("the model API answered {status}"))]
        }
        Frame::Assistant(message) => message.blocks.iter().filter_map(block).collect(),
        Frame::User(message) => message.blocks.iter().filter_map(block).collect(),
        _ => Vec::new(),
    }
}

fn block(block: &Block) -> Option<Line> {
    Some(match block {
        Block::Text(text) => Line::new("agent", Tone::Agent, text.as_str()),
        Block::Thinking(text) => Line::new("thinks", Tone::Aside, text.as_str()),
        Block::ToolUse { name, input, .. } => {
            let input: Value = serde_json::from_str(input.get()).unwrap_or_default();
            Line::new("tool", Tone::Tool, format!("{name} {}", summary_of_input(&input)))
        }
        Block::ToolResult { content, is_error: true, .. } => {
            Line::new("refused", Tone::Bad, text_of(content.as_deref()))
        }
        Block::ToolResult { content, .. } => Line::new("result", Tone::Aside, text_of(content.as_deref())),
        Block::Other(_) => return None,
    })
}

/// The text of a tool's answer, which is one or blocks of it.
fn text_of(content: Option<&RawValue>) -> String {
    let content: Value =
        content.and_then(|content| serde_json::from_str(content.get()).ok()).unwrap_or_default();
    match content {
        Value::String(text) => text,
        Value::Array(blocks) => {
            let texts: Vec<_> = blocks.iter().filter_map(|block| block["text"].as_str()).collect();
            texts.join("\n")
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use claude_protocol::decode;

    use super::*;

    fn shown(line: &str) -> Vec<(String, String)> {
        lines(&decode(line.as_bytes())).into_iter().map(|line| (line.label, line.text)).collect()
    }

    #[test]
    fn what_the_agent_says_and_does_is_shown() {
        let said = r#"{"type":"assistant","message":{"id":"m","role":"assistant","model":"x","content":[
            {"type":"text","text":"hi"},{"type":"tool_use","id":"t","name":"Bash","input":{"command":"ls"}}]}}"#;
        let pair = |label: &str, text: &str| (label.to_owned(), text.to_owned());
        assert_eq!(shown(said), [pair("agent", "hi"), pair("tool", "Bash ls")]);
        let answered = r#"{"type":"user","message":{"role":"user","content":[
            {"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},
            {"type":"tool_result","tool_use_id":"u","content":"no","is_error":true}]}}"#;
        assert_eq!(shown(answered), [pair("result", "a\nb"), pair("refused", "no")]);
        assert_eq!(shown(r#"{"type":"keep_alive"}"#), []);
    }
}

//! A reply as a stream of server-sent events, produced one at a time.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::message::{SIGNATURE, opening};
use super::{Block, Interruption, Reply, token};

/// Characters of one text or input delta, unless the text is very long.
const DELTA_CHARS: usize = 16;
/// About the most deltas that one block is cut into: a text of megabytes in small ones would keep the CLI busy for minutes.
const MOST_DELTAS: usize = 8192;

fn delta_chars(text: &str) -> usize {
    DELTA_CHARS.max(text.len() / MOST_DELTAS)
}
/// An interruption comes after half of the deltas, but never after more than this.
const MOST_DELTAS_BEFORE_INTERRUPTION: usize = 10;

/// What the sender of a stream does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Send an event.
    Send(Bytes),
    /// Be silent; what was sent so far goes out.
    Wait(Duration),
    /// Cut the connection.
    Cut,
    /// End the response although the message is not complete.
    End,
}

/// The whole stream of a reply, made lazily.
pub(crate) fn actions(reply: Reply) -> impl Iterator<Item = Action> + Send + 'static {
    let start = event("message_start", json!({ "message": opening(&reply) }));
    let end = [
        event(
            "message_delta",
            json!({
                "delta": { "stop_reason": reply.stop_reason, "stop_sequence": null },
                "usage": reply.usage(reply.output_tokens()),
            }),
        ),
        event("message_stop", json!({})),
    ];
    let deltas: usize = reply.blocks.iter().map(delta_count).sum();
    let mut before_interruption = (deltas / 2).clamp(1, MOST_DELTAS_BEFORE_INTERRUPTION);
    let mut interruptions = Some(reply.interruptions);
    let blocks = reply.blocks.into_iter().enumerate().flat_map(move |(index, block)| {
        let here = before_interruption <= delta_count(&block);
        let place = here.then(|| interruptions.take()).flatten().map(|all| (before_interruption, all));
        before_interruption = before_interruption.saturating_sub(delta_count(&block));
        block_actions(index, block, place)
    });
    std::iter::once(start).chain(blocks).chain(end)
}

/// Start, deltas and stop of one block; `place` says after how many deltas it is interrupted, and how.
fn block_actions(
    index: usize,
    block: Block,
    place: Option<(usize, Vec<Interruption>)>,
) -> impl Iterator<Item = Action> + Send {
    let start = event("content_block_start", json!({ "index": index, "content_block": empty_block(&block) }));
    let ping = (index == 0).then(|| event("ping", json!({})));
    let gap = if let Block::Tokens { gap, .. } = &block { *gap } else { Duration::ZERO };
    let (after, mut interruptions) = place.unwrap_or_default();
    let deltas = deltas(block).enumerate().flat_map(move |(number, delta)| {
        let wait = (number > 0 && !gap.is_zero()).then_some(Action::Wait(gap));
        let send = event("content_block_delta", json!({ "index": index, "delta": delta }));
        let due = if number + 1 == after { std::mem::take(&mut interruptions) } else { Vec::new() };
        wait.into_iter().chain([send]).chain(due.into_iter().flat_map(interrupt))
    });
    let stop = event("content_block_stop", json!({ "index": index }));
    std::iter::once(start).chain(ping).chain(deltas).chain([stop])
}

fn interrupt(interruption: Interruption) -> Vec<Action> {
    match interruption {
        Interruption::Stall(time) => vec![Action::Wait(time)],
        Interruption::Cut => vec![Action::Cut],
        Interruption::ErrorEvent { error_type } => {
            let error = json!({ "type": error_type, "message": "Scripted error in mid-stream" });
            vec![event("error", json!({ "error": error })), Action::End]
        }
    }
}

fn empty_block(block: &Block) -> Value {
    match block {
        Block::Thinking(_) => json!({ "type": "thinking", "thinking": "", "signature": "" }),
        Block::Text(_) | Block::Tokens { .. } => json!({ "type": "text", "text": "" }),
        Block::ToolUse { id, name, .. } => json!({ "type": "tool_use", "id": id, "name": name, "input": {} }),
    }
}

fn deltas(block: Block) -> Box<dyn Iterator<Item = Value> + Send> {
    match block {
        Block::Thinking(text) => {
            let thinking = pieces(text).map(|text| json!({ "type": "thinking_delta", "thinking": text }));
            Box::new(thinking.chain([json!({ "type": "signature_delta", "signature": SIGNATURE })]))
        }
        Block::Text(text) => Box::new(pieces(text).map(|text| json!({ "type": "text_delta", "text": text }))),
        Block::Tokens { count, .. } => {
            Box::new((0..count).map(|number| json!({ "type": "text_delta", "text": token(number) })))
        }
        Block::ToolUse { input, .. } => {
            // The API's first input delta is empty.
            let input = std::iter::once(String::new()).chain(pieces(input.as_json()));
            Box::new(input.map(|json| json!({ "type": "input_json_delta", "partial_json": json })))
        }
    }
}

fn delta_count(block: &Block) -> usize {
    let pieces = |text: &str| text.chars().count().div_ceil(delta_chars(text));
    match block {
        Block::Thinking(text) => pieces(text) + 1,
        Block::Text(text) => pieces(text),
        Block::Tokens { count, .. } => usize::try_from(*count).unwrap_or(usize::MAX),
        Block::ToolUse { input, .. } => pieces(&input.as_json()) + 1,
    }
}

/// The text in pieces, none of which splits a character.
fn pieces(text: String) -> impl Iterator<Item = String> + Send {
    let (mut at, most) = (0, delta_chars(&text));
    std::iter::from_fn(move || {
        let piece: String = text.get(at..)?.chars().take(most).collect();
        at += piece.len();
        (!piece.is_empty()).then_some(piece)
    })
}

/// One server-sent event; its data carries the type too.
fn event(name: &str, mut data: Value) -> Action {
    if let Some(fields) = data.as_object_mut() {
        fields.insert("type".to_owned(), name.into());
    }
    Action::Send(Bytes::from(format!("event: {name}\ndata: {data}\n\n")))
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;

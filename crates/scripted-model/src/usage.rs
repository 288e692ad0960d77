//! Token counts, with prompt caching, as plausible as a model without a tokenizer can make them.

use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use crate::bounded::BoundedMap;
use crate::request::{Digest, MessageBlock, MessagesRequest, message_blocks};

/// How many cached prefixes are remembered.
const REMEMBERED: usize = 65_536;
/// One token for so many bytes.
const BYTES_PER_TOKEN: u64 = 4;

/// The input side of a response's usage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct InputTokens {
    pub(crate) uncached: u64,
    pub(crate) cache_read: u64,
    pub(crate) cache_created_5m: u64,
    pub(crate) cache_created_1h: u64,
}

impl InputTokens {
    /// The API's `usage` object.
    pub(crate) fn usage(&self, output_tokens: u64) -> Value {
        json!({
            "input_tokens": self.uncached,
            "cache_creation_input_tokens": self.cache_created_5m + self.cache_created_1h,
            "cache_read_input_tokens": self.cache_read,
            "cache_creation": {
                "ephemeral_5m_input_tokens": self.cache_created_5m,
                "ephemeral_1h_input_tokens": self.cache_created_1h,
            },
            "output_tokens": output_tokens,
            "service_tier": "standard",
        })
    }
}

/// Tokens of so many bytes.
pub(crate) fn tokens(bytes: u64) -> u64 {
    bytes.div_ceil(BYTES_PER_TOKEN)
}

/// The prefixes that were marked with `cache_control` so far.
#[derive(Debug)]
pub(crate) struct PromptCache(Mutex<BoundedMap<u64, ()>>);

impl Default for PromptCache {
    fn default() -> Self {
        Self(Mutex::new(BoundedMap::new(REMEMBERED)))
    }
}

impl PromptCache {
    /// Counts the input tokens of a request and remembers the prefixes it marks.
    pub(crate) fn count(&self, request: &MessagesRequest) -> InputTokens {
        let prefixes = prefixes(request);
        let total = tokens(prefixes.last().map_or(0, |prefix| prefix.bytes));
        let Some(last_mark) = prefixes.iter().rposition(|prefix| prefix.mark.is_some()) else {
            return InputTokens { uncached: total, ..InputTokens::default() };
        };
        let cacheable = prefixes.get(..=last_mark).unwrap_or_default();
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let read = cacheable.iter().rev().find(|prefix| seen.get(&prefix.hash).is_some());
        let read = tokens(read.map_or(0, |prefix| prefix.bytes));
        let mut count = InputTokens { cache_read: read, ..InputTokens::default() };
        let mut counted = read;
        for prefix in cacheable {
            let Some(mark) = prefix.mark else { continue };
            seen.insert(prefix.hash, ());
            let created = tokens(prefix.bytes).saturating_sub(counted);
            counted += created;
            match mark {
                Lifetime::FiveMinutes => count.cache_created_5m += created,
                Lifetime::OneHour => count.cache_created_1h += created,
            }
        }
        count.uncached = total.saturating_sub(counted);
        count
    }
}

/// The input tokens of a request that is only counted.
pub(crate) fn count_only(request: &MessagesRequest) -> u64 {
    tokens(prefixes(request).last().map_or(0, |prefix| prefix.bytes))
}

#[derive(Debug, Clone, Copy)]
enum Lifetime {
    FiveMinutes,
    OneHour,
}

/// A request up to the end of one of its blocks.
#[derive(Debug)]
struct Prefix {
    hash: u64,
    bytes: u64,
    mark: Option<Lifetime>,
}

/// The prefixes in the API's order: tools, system, messages.
fn prefixes(request: &MessagesRequest) -> Vec<Prefix> {
    let mut digest = Digest::default();
    digest.add_model(&request.model);
    let list =
        |name: &str| request.body.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let system_text = request.body.get("system").and_then(Value::as_str).map(MessageBlock::Text);
    let mut prefixes = Vec::new();
    let mut add = |block: MessageBlock<'_>| {
        digest.add_block(block);
        let mark = block.cache_control().map(lifetime);
        prefixes.push(Prefix { hash: digest.hash(), bytes: digest.bytes(), mark });
    };
    list("tools").iter().map(MessageBlock::Block).for_each(&mut add);
    system_text.into_iter().for_each(&mut add);
    list("system").iter().map(MessageBlock::Block).for_each(&mut add);
    list("messages").iter().flat_map(message_blocks).for_each(&mut add);
    prefixes
}

fn lifetime(cache_control: &Value) -> Lifetime {
    match cache_control.get("ttl").and_then(Value::as_str) {
        Some("1h") => Lifetime::OneHour,
        _ => Lifetime::FiveMinutes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(cache: &PromptCache, body: Value) -> InputTokens {
        cache.count(&MessagesRequest::read(body.to_string().as_bytes()).unwrap())
    }

    fn text(text: &str, cached: bool) -> Value {
        let mut block = json!({ "type": "text", "text": text });
        if cached {
            block["cache_control"] = json!({ "type": "ephemeral" });
        }
        block
    }

    fn user(blocks: Value) -> Value {
        json!({ "role": "user", "content": blocks })
    }

    #[test]
    fn four_bytes_are_a_token() {
        let cache = PromptCache::default();
        let body = json!({ "model": "m", "system": "12345678", "messages": [user(json!("abcd"))] });
        assert_eq!(count(&cache, body), InputTokens { uncached: 3, ..InputTokens::default() });
    }

    #[test]
    fn a_marked_prefix_is_created_and_then_read() {
        let cache = PromptCache::default();
        let system = json!([text(&"s".repeat(400), true)]);
        let first = json!({ "model": "m", "system": system, "messages": [user(json!([text(&"a".repeat(40), true)]))] });
        assert_eq!(
            count(&cache, first.clone()),
            InputTokens { cache_created_5m: 110, ..InputTokens::default() }
        );
        assert_eq!(count(&cache, first), InputTokens { cache_read: 110, ..InputTokens::default() });
        let moved = json!({ "model": "m", "system": system, "messages": [
            user(json!("a".repeat(40))),
            { "role": "assistant", "content": [text(&"b".repeat(20), false)] },
            user(json!([text(&"c".repeat(60), true), text(&"d".repeat(8), false)])),
        ]});
        let expected =
            InputTokens { cache_read: 110, cache_created_5m: 20, uncached: 2, ..InputTokens::default() };
        assert_eq!(count(&cache, moved), expected);
    }

    #[test]
    fn an_hour_long_cache_is_reported_as_such() {
        let body = json!({ "model": "m", "messages": [user(json!([
            { "type": "text", "text": "abcdefgh", "cache_control": { "type": "ephemeral", "ttl": "1h" } },
        ]))]});
        let expected = InputTokens { cache_created_1h: 2, ..InputTokens::default() };
        assert_eq!(count(&PromptCache::default(), body), expected);
    }
}

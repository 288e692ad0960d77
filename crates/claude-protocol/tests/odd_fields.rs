//! A later CLI may drop a field, add one or write it otherwise. Whatever it does to one field, the frame stays a frame of
//! its kind.
#![expect(clippy::expect_used, reason = "tests fail by panicking")]

use std::collections::BTreeSet;
use std::sync::LazyLock;

use claude_protocol::{Frame, SystemFrame, decode};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Map, Value, json};

mod recorded;

/// Without these there is nothing left to read: the whole line is passed on as it is.
const VITAL: [&str; 7] =
    ["/type", "/message", "/event", "/request", "/request_id", "/response", "/command_uuid"];

/// One line of every shape that was recorded, and of those that only the SDK's types tell of.
static LINES: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let mut shapes = BTreeSet::new();
    let mut lines = never_recorded();
    for (_, text) in recorded::runs() {
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).expect("JSON");
            if shapes.insert(pointers(&line)) {
                lines.push(line);
            }
        }
    }
    lines
});

fn never_recorded() -> Vec<Value> {
    let system = [
        json!({"subtype": "hook_progress", "hook_id": "h", "stdout": "x"}),
        json!({"subtype": "files_persisted", "files": [{"filename": "a", "file_id": "f"}], "failed": []}),
        json!({"subtype": "local_command_output", "content": "x"}),
        json!({"subtype": "elicitation_complete", "mcp_server_name": "s", "elicitation_id": "e"}),
        json!({"subtype": "plugin_install", "status": "failed", "name": "p", "error": "x"}),
        json!({"subtype": "worker_shutting_down", "reason": "host_exit"}),
        json!({"subtype": "memory_recall", "mode": "select", "memories": [{"path": "m.md"}]}),
        json!({"subtype": "model_refusal_fallback", "original_model": "a", "fallback_model": "b"}),
        json!({"subtype": "model_refusal_no_fallback", "original_model": "a", "content": "x"}),
    ];
    let system = system.into_iter().map(|mut line| {
        line["type"] = json!("system");
        line
    });
    let others = [
        json!({"type": "rate_limit_event", "rate_limit_info": {"status": "allowed", "resetsAt": 1}}),
        json!({"type": "auth_status", "isAuthenticating": true, "output": ["x"]}),
        json!({"type": "prompt_suggestion", "suggestion": "x"}),
        json!({"type": "tool_use_summary", "summary": "x", "preceding_tool_use_ids": ["t"]}),
        json!({"type": "keep_alive"}),
    ];
    system.chain(others).collect()
}

/// The JSON pointers to all values inside.
fn pointers(value: &Value) -> Vec<String> {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(fields) => {
            fields.iter().map(|(name, field)| (name.replace('~', "~0").replace('/', "~1"), field)).collect()
        }
        Value::Array(items) => items.iter().enumerate().map(|(at, item)| (at.to_string(), item)).collect(),
        _ => Vec::new(),
    };
    let below = |(name, child): (String, &Value)| {
        let inner = pointers(child).into_iter().map(move |pointer| format!("/{name}{pointer}"));
        inner.collect::<Vec<_>>()
    };
    let own = children.iter().map(|(name, _)| format!("/{name}")).collect::<Vec<_>>();
    own.into_iter().chain(children.into_iter().flat_map(below)).collect()
}

#[derive(Debug, Clone)]
enum Change {
    Replace(Value),
    Remove,
    /// Beside the field, and inside it.
    Add(String, Value),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => odd().prop_map(Change::Replace),
        1 => Just(Change::Remove),
        1 => ("[a-z_]{1,8}", odd()).prop_map(|(name, value)| Change::Add(format!("new_{name}"), value)),
    ]
}

fn odd() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map("[a-z_]{0,6}", inner, 0..3)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn object_at<'a>(line: &'a mut Value, place: &str) -> Option<&'a mut Map<String, Value>> {
    line.pointer_mut(place).and_then(Value::as_object_mut)
}

fn apply(change: Change, line: &mut Value, place: &str) {
    let (parent, name) = place.rsplit_once('/').expect("a pointer");
    match change {
        Change::Replace(value) => *line.pointer_mut(place).expect("a field") = value,
        Change::Remove => {
            let name = name.replace("~1", "/").replace("~0", "~");
            drop(object_at(line, parent).and_then(|fields| fields.remove(&name)));
        }
        Change::Add(name, value) => {
            for place in [parent, place] {
                if let Some(fields) = object_at(line, place) {
                    fields.insert(name.clone(), value.clone());
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_frame_with_one_odd_field_stays_a_frame_of_its_kind(
        line in any::<Index>(), field in any::<Index>(), change in change(),
    ) {
        let whole = line.get(&LINES);
        let places = pointers(whole);
        let place = field.get(&places);
        let mut odd = whole.clone();
        apply(change, &mut odd, place);
        let frame = decode(&serde_json::to_vec(&odd).expect("JSON"));

        prop_assert!(!matches!(frame, Frame::NotJson), "{odd}");
        if place != "/type" {
            prop_assert_eq!(frame.kind(), whole["type"].as_str().expect("a type"), "{}", odd);
        }
        if let (Frame::System(system), false) = (&frame, place == "/subtype") {
            prop_assert_eq!(system.subtype(), whole["subtype"].as_str().expect("a subtype"), "{}", odd);
            let lost = matches!(system, SystemFrame::Other { .. }) && place != "/tasks";
            prop_assert!(!lost, "{odd}");
        }
        if !VITAL.iter().any(|vital| place.starts_with(vital)) && odd["type"] != "command_lifecycle" {
            prop_assert!(!matches!(frame, Frame::Unknown { .. }), "{odd}");
        }
    }
}

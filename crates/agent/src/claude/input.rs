//! Tells whether two calls of a tool have the same input.

use domain::InputDigest;
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

/// Digest of an input, whatever its white space and the order of its keys.
pub(super) fn digest(input: &RawValue) -> InputDigest {
    let mut hasher = Sha256::new();
    match serde_json::from_str(input.get()) {
        Ok(value) => add(&mut hasher, &value),
        // It was read as JSON once; what it says is all that there is to compare.
        Err(_) => hasher.update(input.get()),
    }
    InputDigest(hasher.finalize().into())
}

fn add(hasher: &mut Sha256, value: &Value) {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            hasher.update(format!("{{{}", fields.len()));
            for (name, field) in fields {
                add_text(hasher, name);
                add(hasher, field);
            }
        }
        Value::Array(items) => {
            hasher.update(format!("[{}", items.len()));
            items.iter().for_each(|item| add(hasher, item));
        }
        Value::String(text) => add_text(hasher, text),
        scalar => hasher.update(format!(" {scalar}")),
    }
}

fn add_text(hasher: &mut Sha256, text: &str) {
    hasher.update(format!("\"{} ", text.len()));
    hasher.update(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> InputDigest {
        digest(&RawValue::from_string(json.to_owned()).expect("JSON"))
    }

    #[test]
    fn only_what_an_input_says_counts() {
        let same = r#"{"b": [1, "x", null], "a": {"d": true, "c": 2.5}}"#;
        assert_eq!(of(r#"{"a":{"c":2.5,"d":true},"b":[1,"x",null]}"#), of(same));
        for other in [
            r#"{"b": [1, "x"], "a": {"d": true, "c": 2.5}}"#,
            r#"{"b": [1, "x", null], "a": {"d": "true", "c": 2.5}}"#,
            r#"{"b": ["1", "x", null], "a": {"d": true, "c": 2.5}}"#,
            r#"{"b": [["1", "x", null]], "a": {"d": true, "c": 2.5}}"#,
        ] {
            assert_ne!(of(other), of(same), "{other}");
        }
    }
}

//! Reads JSON whose size in memory is bounded: a value takes up to hundreds of bytes there, however short it is written.

use serde_json::Value;

use crate::refusal::Refusal;
use crate::submission::invalid;

/// Most values of a body, those within others included.
const MAX_VALUES: usize = 100_000;

/// A body that is JSON.
pub(in crate::submission) fn value(body: &[u8]) -> Result<Value, Refusal> {
    // Each value but the first has a sign before it, so a short body cannot hold too many.
    if body.len() > MAX_VALUES && signs(body) > MAX_VALUES {
        return Err(invalid(
            "",
            format!("the body has more than {MAX_VALUES} values: send less with one request"),
        ));
    }
    serde_json::from_slice(body).map_err(|error| invalid("", format!("the body is not JSON: {error}")))
}

/// How many signs outside of texts begin or part lists and objects: each value but the first comes after one.
fn signs(json: &[u8]) -> usize {
    let (mut is_text, mut is_escaped, mut signs) = (false, false, 0);
    for byte in json {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_text,
            b'"' => is_text = !is_text,
            b',' | b'[' | b'{' if !is_text => signs += 1,
            _ => {}
        }
    }
    signs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_and_what_stands_in_texts_is_not() {
        assert_eq!(signs(br#"{"a,[{":[1,"b\",\\",{"c":null}],"d":7}"#), 6);
        assert_eq!(signs(br#"["\\",","]"#), 2);
    }

    #[test]
    fn a_body_of_too_many_values_is_refused_and_a_long_text_is_not() {
        let list = |items: usize| format!("[{}0]", "0,".repeat(items - 1));
        assert!(value(list(MAX_VALUES).as_bytes()).is_ok());
        let refused = value(list(MAX_VALUES + 1).as_bytes()).expect_err("too many");
        assert_eq!(refused.status, axum::http::StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(refused.detail, "the body has more than 100000 values: send less with one request");
        assert!(value(format!("\"{}\"", "[,{".repeat(MAX_VALUES)).as_bytes()).is_ok());
    }
}

//! Finds the `[[...]]` in a text.

use super::Malformed;

/// The name and the argument of one `[[name argument]]`, not yet understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Raw<'a> {
    pub(super) name: &'a str,
    pub(super) argument: &'a str,
}

/// All directives of a text; whatever stands between them is ignored.
pub(super) fn scan(text: &str) -> Result<Vec<Raw<'_>>, Malformed> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, body)) = rest.split_once("[[") {
        let Some((inside, after)) = end_of(body).and_then(|end| split_closing(body, end)) else {
            let start: String = body.chars().take(40).collect();
            return Err(Malformed::new(start, "the closing ]] is missing"));
        };
        let inside = inside.trim_start();
        let (name, argument) = inside.split_once(char::is_whitespace).unwrap_or((inside, ""));
        found.push(Raw { name, argument: argument.trim_start() });
        rest = after;
    }
    Ok(found)
}

fn split_closing(body: &str, end: usize) -> Option<(&str, &str)> {
    Some((body.get(..end)?, body.get(end..)?.strip_prefix("]]")?))
}

/// The byte at which the closing `]]` starts. `[[` inside opens a level of its own, so `[[bash [[ -f a ]] && b]]`
/// is one directive, and so is a `[[tool ...]]` whose JSON has nested lists.
fn end_of(body: &str) -> Option<usize> {
    if let Some(end) = end_after_json(body) {
        return Some(end);
    }
    let bytes = body.as_bytes();
    let (mut at, mut depth) = (0, 1);
    while at < bytes.len() {
        match (bytes.get(at), bytes.get(at + 1), bytes.get(at + 2)) {
            (Some(b'['), Some(b'['), _) => {
                depth += 1;
                at += 2;
            }
            // Of `]]]` the first bracket belongs to the argument.
            (Some(b']'), Some(b']'), Some(b']')) if depth == 1 => at += 1,
            (Some(b']'), Some(b']'), _) if depth == 1 => return Some(at),
            (Some(b']'), Some(b']'), _) => {
                depth -= 1;
                at += 2;
            }
            _ => at += 1,
        }
    }
    None
}

/// The end of `tool NAME {JSON}` when the JSON is valid and directly followed by `]]`.
fn end_after_json(body: &str) -> Option<usize> {
    let arguments = body.trim_start().strip_prefix("tool")?.trim_start();
    let (_, json) = arguments.split_once(char::is_whitespace)?;
    let json = json.trim_start();
    let mut values = serde_json::Deserializer::from_str(json).into_iter::<serde::de::IgnoredAny>();
    values.next()?.ok()?;
    let after = json.get(values.byte_offset()..)?.trim_start();
    after.starts_with("]]").then(|| body.len() - after.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(&str, &str)> {
        scan(text).unwrap().into_iter().map(|raw| (raw.name, raw.argument)).collect()
    }

    #[test]
    fn finds_directives_between_words() {
        assert_eq!(
            pairs("please [[write a.txt x y]] and [[par]][[read b]][[/par]] go"),
            [("write", "a.txt x y"), ("par", ""), ("read", "b"), ("/par", "")]
        );
    }

    #[test]
    fn brackets_inside_belong_to_the_argument() {
        assert_eq!(pairs("[[bash [[ -f a ]] && echo b]] x"), [("bash", "[[ -f a ]] && echo b")]);
        assert_eq!(pairs("[[bash echo ${a[0]}]]"), [("bash", "echo ${a[0]}")]);
        assert_eq!(pairs("[[bash echo a[0]]]"), [("bash", "echo a[0]")]);
        assert_eq!(
            pairs(r#"[[tool X {"a":[[1],[2]]}]] [[say b]]"#),
            [("tool", r#"X {"a":[[1],[2]]}"#), ("say", "b")]
        );
    }

    #[test]
    fn an_argument_may_have_many_lines() {
        assert_eq!(pairs("[[say a\nb]]"), [("say", "a\nb")]);
    }

    #[test]
    fn a_missing_end_is_named() {
        assert_eq!(scan("go [[bash ls").unwrap_err(), Malformed::new("bash ls", "the closing ]] is missing"));
    }
}

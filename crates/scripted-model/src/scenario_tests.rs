use serde_json::json;

use super::*;

fn request(model: &str, prompt: &str) -> MessagesRequest {
    let body = json!({ "model": model, "messages": [{ "role": "user", "content": prompt }] });
    MessagesRequest::read(body.to_string().as_bytes()).unwrap()
}

fn rules() -> Rules {
    let text = r#"{"name": "demo", "rules": [
        {"match": {"prompt_contains": "login", "model": "opus"}, "steps": ["[[read a]]", "[[say first]]"], "times": 1},
        {"match": {"prompt_contains": "login"}, "steps": ["[[say second]]"]}
    ]}"#;
    Rules::new(text.parse().unwrap())
}

#[test]
fn the_first_rule_that_fits_and_is_left_is_taken() {
    let rules = rules();
    let read = Script::read("[[read a]]\n[[say first]]").unwrap();
    let second = Script::read("[[say second]]").unwrap();
    assert_eq!(rules.script(&request("claude-opus", "fix login")), Some(&read));
    assert_eq!(
        rules.script(&request("claude-opus", "fix login")),
        Some(&read),
        "the same prompt keeps its rule"
    );
    assert_eq!(rules.script(&request("claude-opus", "login again")), Some(&second), "it was used up");
    assert_eq!(rules.script(&request("claude-haiku", "login")), Some(&second));
    assert_eq!(rules.script(&request("claude-opus", "other")), None);
}

#[test]
fn the_default_serves_the_rest() {
    let rules = Rules::new(r#"{"name": "d", "default": ["[[say d]]"]}"#.parse().unwrap());
    assert_eq!(rules.script(&request("m", "x")), Some(&Script::read("[[say d]]").unwrap()));
}

#[test]
fn errors_name_the_place() {
    let error = |text: &str| text.parse::<Scenario>().unwrap_err().to_string();
    let cases = [
        ("{", "EOF while parsing an object at line 1 column 1"),
        (r#"{"name": "x", "extra": 1}"#, "unknown field `extra`"),
        (
            "{\"name\": \"x\",\n \"rules\": [{\"steps\": [\"[[say a]]\", 3]}]}",
            "field rules[0].steps[1] is wrong: invalid type: integer `3`, expected a string at line 2",
        ),
        (
            r#"{"name": "x", "rules": [{"steps": ["[[dance]]"]}]}"#,
            "rules[0].steps cannot be followed: I do not understand [[dance]]",
        ),
        (
            r#"{"name": "x", "default": ["[[say a]]", "hello"]}"#,
            "default[1] cannot be followed: it has no [[...]] directive",
        ),
        (
            r#"{"name": "x", "rules": [{"steps": []}]}"#,
            "rules[0].steps cannot be followed: it needs at least one directive",
        ),
    ];
    for (text, expected) in cases {
        assert!(error(text).contains(expected), "{text}: {}", error(text));
    }
    let missing = Scenario::from_file("/does/not/exist.json").unwrap_err().to_string();
    assert!(missing.starts_with("cannot read the scenario /does/not/exist.json"), "{missing}");
}

use super::*;

const TOOLS: [&str; 2] = ["Write", "Bash"];

fn conversation(prompt: &str, results: &[(bool, &str)]) -> Conversation {
    let tool_results: Vec<ToolResult> = results
        .iter()
        .map(|(is_error, text)| ToolResult { is_error: *is_error, text: (*text).to_owned() })
        .collect();
    Conversation { prompt: prompt.to_owned(), step: results.len(), tool_results, ..Conversation::default() }
}

fn answer(prompt: &str, results: &[(bool, &str)], offered: &[&str]) -> Step {
    let offered: Vec<String> = offered.iter().map(|name| (*name).to_owned()).collect();
    step(&conversation(prompt, results), &offered)
}

fn written(prompt: &str) -> (String, String) {
    match answer(prompt, &[], &TOOLS).tools.as_slice() {
        [ToolCall::Write { path, content }] => (path.clone(), content.clone()),
        other => panic!("{prompt}: {other:?}"),
    }
}

#[test]
fn makes_runs_and_reports() {
    let prompt = "Create hello.py that prints \"Hi there\" and run it";
    let write = ToolCall::Write { path: "hello.py".into(), content: "print(\"Hi there\")\n".into() };
    assert_eq!(
        answer(prompt, &[], &TOOLS),
        Step { tools: vec![write], ..Step::text("I'll create hello.py.") }
    );
    let run = ToolCall::Bash { command: "python3 hello.py".into(), background: false };
    assert_eq!(answer(prompt, &[(false, "ok")], &TOOLS), Step { tools: vec![run], ..Step::default() });
    assert_eq!(
        answer(prompt, &[(false, "ok"), (false, "Hi there\n")], &TOOLS),
        Step::text("I created hello.py (18 bytes) and ran `python3 hello.py`, which printed: Hi there")
    );
}

#[test]
fn failures_are_told() {
    let prompt = "make a.sh and run it";
    assert_eq!(answer(prompt, &[(true, "denied")], &TOOLS), Step::text("I could not create a.sh: denied"));
    assert_eq!(
        answer(prompt, &[(false, "ok"), (true, "Exit code 1")], &TOOLS),
        Step::text("I created a.sh (31 bytes) and ran `sh a.sh`, which failed: Exit code 1")
    );
    assert_eq!(
        answer(prompt, &[], &["Read"]),
        Step::text("I would create a.sh, but the Write tool is not offered to me.")
    );
    assert_eq!(
        answer(prompt, &[(false, "ok")], &["Write"]),
        Step::text(
            "I created a.sh (31 bytes); I did not run `sh a.sh`, as the Bash tool is not offered to me."
        )
    );
}

#[test]
fn chooses_a_name() {
    let names = [
        ("Create a Python program", "hello.py"),
        ("WRITE something about cats", "notes.md"),
        ("Please add `src/app.js`, thanks", "src/app.js"),
        ("build a node.js thing in main.ts.", "main.ts"),
        ("save it to ../../x.py or /etc/y.py or z.py", "z.py"),
        ("Can you create data.json?", "data.json"),
        ("implement a script", "hello.py"),
    ];
    for (prompt, name) in names {
        assert_eq!(written(prompt).0, name, "{prompt}");
    }
    assert_eq!(written("create a file \"notes.txt\"").1, "# Notes\n\ncreate a file \"notes.txt\"\n");
    assert_eq!(written("create t.txt with \"hello\"").1, "hello\n");
    assert_eq!(written("write x.sh printing \"it's\"").1, "#!/bin/sh\necho 'it'\\''s'\n");
}

#[test]
fn anything_else_is_echoed() {
    for prompt in ["What is 2+2?", "How do I make a cake?", "hello\nworld"] {
        let Step { content, tools, .. } = answer(prompt, &[], &TOOLS);
        let first = prompt.lines().next().unwrap();
        assert!(tools.is_empty());
        assert!(format!("{content:?}").contains(&format!("Echo: {first}\\n")), "{content:?}");
    }
    assert!(echo(&"ä".repeat(300)).starts_with(&format!("Echo: {}\n", "ä".repeat(200))));
}

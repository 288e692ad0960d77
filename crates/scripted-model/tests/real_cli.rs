//! The scripted model behind the real CLI.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its support code too")]

#[path = "support/driver.rs"]
mod driver;

use driver::{Cli, Place, Turn};
use scripted_model::{Options, ScriptedModel};
use serde_json::json;

async fn model() -> ScriptedModel {
    ScriptedModel::start(Options::default()).await.unwrap()
}

/// One turn of a CLI of its own.
fn one_turn(model: &ScriptedModel, place: &Place, arguments: &[&str], prompt: &str) -> Turn {
    let mut cli = Cli::start(place, &model.base_url(), arguments);
    let turn = cli.turn(prompt);
    cli.finish();
    turn
}

/// Status and streaming of the Messages requests, in order.
fn exchanges(model: &ScriptedModel) -> Vec<(Option<u16>, bool)> {
    model.requests().iter().map(|request| (request.status, request.stream)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_runs_and_edits() {
    let (model, place) = (model().await, Place::new());
    let prompt = r"[[say first]] [[write a.txt one\ntwo]] [[bash cat a.txt]] [[edit a.txt two=>three]] go";
    let turn = one_turn(&model, &place, &[], prompt);
    assert_eq!(place.read("a.txt"), "one\nthree");
    let names: Vec<&str> = turn.calls().iter().map(|(name, _)| *name).collect();
    assert_eq!((names.as_slice(), turn.text()), (["Write", "Bash", "Edit"].as_slice(), "All done."));
    assert_eq!(turn.blocks("tool_result")[1]["content"], "one\ntwo");
    let first = &model.requests()[0];
    assert_eq!((first.api_key.as_deref(), first.last_user_text.as_str()), (Some("dummy"), prompt));
    assert!(first.tools.contains(&"Write".to_owned()) && first.system_chars > 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_prompt_cache_is_used() {
    let (model, place) = (model().await, Place::new());
    let turn = one_turn(&model, &place, &[], "[[bash true]] [[say ok]]");
    let usage = &turn.result()["usage"];
    let tokens = |name: &str| usage[name].as_u64().unwrap();
    assert!(tokens("cache_read_input_tokens") > 5000, "{usage}");
    assert!(tokens("cache_creation_input_tokens") > 5000 && tokens("input_tokens") < 500, "{usage}");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_tools_in_parallel() {
    let (model, place) = (model().await, Place::new());
    let prompt = "[[par]] [[write a.txt A]] [[write b.txt B]] [[bash echo c]] [[/par]]";
    let turn = one_turn(&model, &place, &[], prompt);
    assert_eq!((place.read("a.txt"), place.read("b.txt")), ("A".to_owned(), "B".to_owned()));
    assert_eq!((turn.blocks("tool_result").len(), model.requests().len()), (3, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_a_thousand_deltas() {
    let (model, place) = (model().await, Place::new());
    let turn = one_turn(&model, &place, &["--include-partial-messages"], "[[stream 1000]]");
    let expected: String = (0..1000).map(|number| format!("tok{number} ")).collect();
    assert_eq!((turn.text_deltas(), turn.text().trim()), (1000, expected.trim()));
}

#[tokio::test(flavor = "multi_thread")]
async fn thinks_before_it_speaks() {
    let (model, place) = (model().await, Place::new());
    let turn = one_turn(&model, &place, &[], "[[think let me see]] [[say seen]]");
    assert_eq!((&turn.blocks("thinking")[0]["thinking"], turn.text()), (&json!("let me see"), "seen"));
}

#[tokio::test(flavor = "multi_thread")]
async fn goes_on_after_an_unknown_tool_and_bad_input() {
    let (model, place) = (model().await, Place::new());
    let prompt =
        r#"[[tool NoSuchTool {"a":1}]] [[tool Bash {"cmd":"x"}]] [[tool Bash {"command": ]] [[say over]]"#;
    let turn = one_turn(&model, &place, &[], prompt);
    let errors: Vec<bool> =
        turn.blocks("tool_result").iter().map(|block| block["is_error"] == true).collect();
    assert_eq!((errors, turn.text()), (vec![true, true, true], "over"));
}

#[tokio::test(flavor = "multi_thread")]
async fn is_overloaded_twice() {
    let (model, place) = (model().await, Place::new());
    let turn = one_turn(&model, &place, &[], "[[error 529 2]] [[say at last]]");
    let retries: Vec<_> = turn.frames("system").filter(|frame| frame["subtype"] == "api_retry").collect();
    let statuses: Vec<_> = retries.iter().map(|frame| frame["error_status"].as_u64()).collect();
    assert_eq!((statuses, turn.text()), (vec![Some(529), Some(529)], "at last"));
    assert_eq!(exchanges(&model), [(Some(529), true), (Some(529), true), (Some(200), true)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn is_cut_once() {
    let (model, place) = (model().await, Place::new());
    let turn = one_turn(&model, &place, &[], "[[cut 1]] [[say a text that is long enough to be cut in two]]");
    let retries: Vec<_> = turn.frames("system").filter(|frame| frame["subtype"] == "api_retry").collect();
    assert_eq!(retries.len(), 1);
    assert_eq!(turn.text(), "a text that is long enough to be cut in two");
    assert_eq!(exchanges(&model), [(Some(200), true), (Some(200), true)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn fails_in_mid_stream() {
    let (model, place) = (model().await, Place::new());
    let turn = one_turn(&model, &place, &[], "[[midstream overloaded_error 1]] [[say fine]]");
    assert_eq!(turn.text(), "fine");
    assert_eq!(exchanges(&model), [(Some(200), true), (Some(200), false)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn makes_and_runs_a_program_in_plain_language() {
    let (model, place) = (model().await, Place::new());
    let turn =
        one_turn(&model, &place, &[], "Please create hello.py, which should print \"Hi there\", and run it.");
    assert_eq!(place.read("hello.py"), "print(\"Hi there\")\n");
    assert_eq!(turn.calls()[1].1["command"], "python3 hello.py");
    assert_eq!(
        turn.text(),
        "I created hello.py (18 bytes) and ran `python3 hello.py`, which printed: Hi there"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn remembers_the_conversation_after_a_resume() {
    let (model, place) = (model().await, Place::new());
    let mut cli = Cli::start(&place, &model.base_url(), &[]);
    cli.turn("the first prompt");
    assert_eq!(cli.turn("[[history]]").text(), "the first prompt");
    let resume = format!("--resume={}", cli.session_id.clone().unwrap());
    cli.finish();
    let turn = one_turn(&model, &place, &[&resume], "[[history]] again");
    assert_eq!(turn.text(), "the first prompt\n[[history]]");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_turn_does_not_repeat_itself() {
    let (model, place) = (model().await, Place::new());
    let mut cli = Cli::start(&place, &model.base_url(), &[]);
    assert_eq!(cli.turn("[[error 400]]").result()["is_error"], true);
    cli.send_prompt("[[hang]]");
    model.wait_for_request(|request| request.last_user_text == "[[hang]]").await;
    cli.control(json!({ "subtype": "interrupt" }));
    cli.turn("[[history]]");
    assert_eq!(cli.read_turn().text(), "[[error 400]]\n[[hang]]");
    cli.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_goes_on_when_the_conversation_is_resumed_after_a_rate_limit() {
    for (before, logged) in [("[[bash echo a >> log]]", "a\nb\n"), ("", "b\n")] {
        let (model, place) = (model().await, Place::new());
        let mut cli = Cli::start(&place, &model.base_url(), &[]);
        let script = format!("{before} [[error 429 1 retry-after=90]] [[bash echo b >> log]] [[say done]]");
        assert_eq!(cli.turn(&script).result()["api_error_status"], 429);
        let resume = format!("--resume={}", cli.session_id.clone().unwrap());
        drop(cli);
        let turn = one_turn(&model, &place, &[&resume], "Continue from where you left off.");
        assert_eq!((turn.text(), place.read("log").as_str()), ("done", logged));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_tokens() {
    let (model, place) = (model().await, Place::new());
    let mut cli = Cli::start(&place, &model.base_url(), &[]);
    cli.turn("[[say hi]]");
    let usage = cli.control(json!({ "subtype": "get_context_usage", "detail": "full" }));
    cli.finish();
    let counted =
        model.requests().iter().filter(|request| request.path == "/v1/messages/count_tokens").count();
    assert!(counted > 5 && usage["totalTokens"].as_u64().unwrap() > 1000, "{counted} {usage}");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_a_session() {
    let (model, place) = (model().await, Place::new());
    let mut cli = Cli::start(&place, &model.base_url(), &[]);
    let request = json!({ "subtype": "generate_session_title", "description": "[[hang]] build a bridge", "persist": false });
    assert_eq!(cli.control(request), json!({ "title": "hang build a bridge" }));
    cli.finish();
}

/// A command that ends once the test has made the file `go`, or after 30 s.
const WAIT_FOR_GO: &str = "for i in $(seq 600); do test -e go && break; sleep 0.05; done";

#[tokio::test(flavor = "multi_thread")]
async fn a_sub_agent_follows_its_own_script() {
    let (model, place) = (model().await, Place::new());
    let mut cli = Cli::start(&place, &model.base_url(), &[]);
    let prompt = format!(
        "[[agent {{{{bash {WAIT_FOR_GO}}}}} {{{{write sub.txt S}}}} {{{{say over}}}}]] [[say started]]"
    );
    assert_eq!(cli.turn(&prompt).text(), "started");
    std::fs::write(place.file("go"), "").unwrap();
    // The agent runs in the background; its end starts a turn of its own.
    assert_eq!((cli.read_turn().text(), place.read("sub.txt").as_str()), ("All done.", "S"));
    cli.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_in_mid_turn_extends_the_script() {
    let (model, place) = (model().await, Place::new());
    let mut cli = Cli::start(&place, &model.base_url(), &[]);
    cli.send_prompt(&format!("[[bash {WAIT_FOR_GO}]] [[write a.txt A]]"));
    model.wait_for_request(|request| request.last_user_text.contains("break")).await;
    cli.send_prompt("[[say and this]]");
    // Its answer shows that the prompt before it has been read.
    cli.control(json!({ "subtype": "get_context_usage", "detail": "summary" }));
    std::fs::write(place.file("go"), "").unwrap();
    assert_eq!((cli.read_turn().text(), place.read("a.txt").as_str()), ("and this", "A"));
    cli.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_answers_are_resumed() {
    let (model, place) = (model().await, Place::new());
    let mut cli = Cli::start(&place, &model.base_url(), &[]);
    assert_eq!(cli.turn("[[say half an]] [[stop max_tokens]]").text(), "All done.");
    // The CLI tries once more after a refusal.
    assert_eq!(cli.turn("[[stop refusal]]").text(), "All done.");
    assert_eq!(cli.turn("[[stop refusal]] [[stop refusal]]").result()["stop_reason"], "refusal");
    drop(cli);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cli_without_tools_gets_text() {
    let (model, place) = (model().await, Place::new());
    let turn = one_turn(&model, &place, &["--tools="], "[[bash ls]] [[say hi]]");
    assert_eq!(turn.text(), "No tools were offered, so I did not ask for Bash.");
}

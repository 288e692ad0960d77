//! Several tasks from one file.

use serde_json::json;
use testing::Signal;

use crate::world::{Running, World, summary_of};

const FILE: &str = "
[[task]]
name = 'first'
prompt = 'log one.txt line; say One.'

[[task]]
name = 'broken'
prompt = 'api_error 400'

[[task]]
name = 'slow'
prompt = 'log slow.txt line; hold'
timeout = 2
branch = 'feature/slow'
";

fn rows(stdout: &str) -> Vec<Vec<String>> {
    let table = stdout.lines().skip_while(|line| !line.starts_with("TASK "));
    table.map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

#[tokio::test]
async fn several_tasks_run_side_by_side_and_end_in_one_table() {
    let world = World::new();
    let executor = world.by_stub().await;
    let file = world.path("tasks.toml");
    std::fs::write(&file, FILE).expect("written");
    let file = file.to_str().expect("UTF-8");
    let ended = world.run(&executor, &["--tasks", file, "--commit"]).await;
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
    let rows = rows(&ended.stdout);
    let shown: Vec<_> = rows.iter().map(|row| (row[0].as_str(), row[1].as_str())).collect();
    assert_eq!(shown, [("TASK", "OUTCOME"), ("first", "completed"), ("broken", "failed"), ("slow", "timed")]);
    assert!(ended.stdout.contains("agent  [first] One."), "{}", ended.stdout);

    let mut summaries: Vec<_> = world.runs().iter().map(|run| summary_of(run)).collect();
    summaries.sort_by_key(|summary| summary["exit_code"].as_u64());
    let told: Vec<_> =
        summaries.iter().map(|summary| json!([summary["exit_code"], summary["files_changed"]])).collect();
    assert_eq!(told, [json!([0, 1]), json!([1, 0]), json!([124, 1])]);
    assert_eq!(summaries[2]["branch"], "feature/slow");
    // Only what completed is committed.
    let branch = summaries[0]["branch"].as_str().expect("a branch");
    assert!(branch.starts_with("agent/first-"), "{branch}");
    assert_eq!(world.git(&["diff", "--name-only", "main", branch]), "one.txt");
    assert_eq!(world.git(&["diff", "--name-only", "main", "feature/slow"]), "");
    assert_eq!(world.git(&["worktree", "list"]).lines().count(), 4);
    assert_eq!(world.git(&["status", "--porcelain"]), "");
}

#[tokio::test]
async fn ctrl_c_interrupts_what_runs_and_begins_nothing_more() {
    let world = World::new();
    let executor = world.by_stub().await;
    let file = world.path("tasks.toml");
    let task = |name: &str| format!("[[task]]\nname = '{name}'\nprompt = 'say Begun.; hold'\n");
    std::fs::write(&file, ["a", "b", "c"].map(task).concat()).expect("written");
    let arguments = ["--tasks", file.to_str().expect("UTF-8"), "--parallel", "2"];
    let mut running = Running::start(world.command(&executor, &arguments));
    running.until("Begun.").await;
    running.until("Begun.").await;
    running.signal(Signal::INT);
    let ended = running.ended().await;
    assert_eq!(ended.code, Some(130), "{}", ended.stdout);
    let outcomes: Vec<_> = rows(&ended.stdout).iter().map(|row| row[1].clone()).collect();
    assert_eq!(outcomes, ["OUTCOME", "interrupted", "interrupted", "not"]);
    assert_eq!(world.runs().len(), 2);
}

#[tokio::test]
async fn one_that_takes_long_holds_up_no_other() {
    let world = World::new();
    let executor = world.by_stub().await;
    let file = world.path("tasks.toml");
    let task = |(name, prompt)| format!("[[task]]\nname = '{name}'\nprompt = '{prompt}'\n");
    let long = "say Begun.; hold";
    std::fs::write(&file, [("a", long), ("b", "say bye"), ("c", long)].map(task).concat()).expect("written");
    let arguments = ["--tasks", file.to_str().expect("UTF-8"), "--parallel", "2"];
    let mut running = Running::start(world.command(&executor, &arguments));
    running.until("Begun.").await;
    running.until("Begun.").await;
    running.signal(Signal::INT);
    let ended = running.ended().await;
    let outcomes: Vec<_> = rows(&ended.stdout).iter().map(|row| row[1].clone()).collect();
    assert_eq!(outcomes, ["OUTCOME", "interrupted", "completed", "interrupted"]);
}

#[tokio::test]
async fn a_file_with_a_fault_begins_nothing() {
    let world = World::new();
    let executor = world.by_stub().await;
    let file = world.path("tasks.toml");
    std::fs::write(&file, "[[task]]\nname = 'a'\nprompt = 'p'\nbrunch = 'x'\n").expect("written");
    let ended = world.run(&executor, &["--tasks", file.to_str().expect("UTF-8")]).await;
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("unknown field `brunch`"), "{}", ended.stderr);
    assert!(world.runs().is_empty());
}

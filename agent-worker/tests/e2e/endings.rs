//! How runs end that do not complete, and what they outlast.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use serde_json::{Value, json};
use testing::{Signal, pinned_cli, wait_until_none_mention, which_mention};

use crate::world::{Running, World};
use crate::{LONG_COMMAND, WAIT};

/// The task writes a file before it takes long, so there is something to be counted.
fn long_task() -> String {
    format!("[[write b.txt x\\n]] {LONG_COMMAND}")
}

fn told(summary: &Value) -> (&Value, &Value, usize) {
    let errors = summary["errors"].as_array().expect("a list").len();
    (&summary["exit_code"], &summary["files_changed"], errors)
}

#[tokio::test]
async fn ctrl_c_interrupts_and_the_summary_is_written_all_the_same() {
    for mode in ["server", "cli"] {
        let world = World::new();
        let executor = world.by(mode).await;
        let mut running = Running::start(world.command(&executor, &["--task", &long_task()]));
        running.until("tool  Bash").await;
        running.signal(Signal::INT);
        let ended = running.ended().await;
        assert_eq!(ended.code, Some(130), "{}", ended.stdout);
        let summary = world.summary();
        assert_eq!((&summary["exit_code"], &summary["files_changed"]), (&json!(130), &json!(1)), "{summary}");
        // In the first moment of a tool call, the CLI does not say what it has cost.
        assert!(summary["token_usage"]["total"].as_u64() > Some(20_000), "{summary}");
        if let Some(server) = executor.server() {
            let task = summary["task_id"].as_str().expect("a task");
            assert_eq!(server.get(&format!("/api/v1/tasks/{task}")).await.1["status"], "interrupted");
        } else {
            wait_until_none_mention(&world.project(), Duration::from_secs(5)).await;
        }
    }
}

#[tokio::test]
async fn a_task_that_takes_too_long_ends_with_124_and_one_that_fails_with_1() {
    for mode in ["server", "cli"] {
        let world = World::new();
        let executor = world.by(mode).await;
        let ended = world.run(&executor, &["--worktree", "--timeout", "5", "--task", &long_task()]).await;
        assert_eq!(ended.code, Some(124), "{}", ended.stdout);
        assert_eq!(told(&world.summary()), (&json!(124), &json!(1), 1));
        let ended = world.run(&executor, &["--worktree", "--task", "[[error 400]]"]).await;
        assert_eq!(ended.code, Some(1), "{}", ended.stdout);
        let summaries: Vec<_> = world.runs().iter().map(|run| crate::world::summary_of(run)).collect();
        let failed = summaries.iter().find(|summary| summary["exit_code"] == 1).expect("a summary");
        assert_eq!(told(failed), (&json!(1), &json!(0), 1), "{failed}");
    }
}

#[tokio::test]
async fn what_an_agent_leaves_on_another_branch_is_not_committed_there() {
    for mode in ["server", "cli"] {
        let world = World::new();
        let executor = world.by(mode).await;
        let before = world.git(&["rev-parse", "main"]);
        let task = "[[bash git switch -q main && echo x > new.txt]] [[say Done.]]";
        let ended = world.run(&executor, &["--commit", "--task", task]).await;
        let summary = world.summary();
        let told = (ended.code, &summary["exit_code"], &summary["commit"]);
        assert_eq!(told, (Some(1), &json!(1), &Value::Null), "{summary}");
        let error = summary["errors"][0].as_str().expect("an error");
        assert!(error.contains("for \"main\""), "{error}");
        assert_eq!(world.git(&["rev-parse", "main"]), before);
    }
}

#[tokio::test]
async fn an_agent_neither_forges_nor_removes_the_record_unnoticed() {
    let world = World::new();
    let executor = world.by("cli").await;
    let runs = world.here().join(".agent_runs");
    let in_runs = |code: &str| {
        let runs = runs.display();
        format!(
            "[[bash python3 -c 'import glob, shutil; [{code} for run in glob.glob(\"{runs}/*\")]']] [[say Done.]]"
        )
    };
    let forge = in_runs("open(run + \"/summary.json\", \"w\").write(\"forged\")");
    let ended = world.run(&executor, &["--worktree", "--task", &forge]).await;
    assert!(!ended.stdout.contains("refused"), "{}", ended.stdout);
    assert_eq!((ended.code, &world.summary()["exit_code"]), (Some(0), &json!(0)), "{}", ended.stdout);
    let ended = world.run(&executor, &["--worktree", "--task", &in_runs("shutil.rmtree(run)")]).await;
    assert!(!ended.stdout.contains("refused") && world.runs().is_empty(), "{}", ended.stdout);
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
}

#[tokio::test]
async fn a_server_that_is_killed_and_started_again_is_outlasted() {
    let world = World::new();
    let cli = pinned_cli();
    let server = world.server(&cli, &[]).await;
    let port = server.url().rsplit(':').next().expect("a port").to_owned();
    let task = format!("[[write b.txt x\\n]] {WAIT} [[say Bye.]]");
    let arguments = ["--task", &task, "--server-url", server.url()];
    let mut running = Running::start(world.bare_command(&arguments));
    running.until("tool  Bash").await;
    server.kill().await;
    let server = world.server(&cli, &[("SERVER_PORT", &port)]).await;
    world.write("go", "");
    let ended = running.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    assert!(ended.stdout.contains("connecting again"), "{}", ended.stdout);
    let summary = world.summary();
    assert_eq!(told(&summary), (&json!(0), &json!(2), 0), "{summary}");
    let task = summary["task_id"].as_str().expect("a task");
    assert_eq!(server.get(&format!("/api/v1/tasks/{task}")).await.1["attempt"], 2);
    let events = std::fs::read_to_string(world.runs().remove(0).join("events.jsonl")).expect("events");
    let numbers =
        events.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")["seq"].as_u64());
    assert_eq!(
        numbers.flatten().collect::<Vec<_>>(),
        (1..=events.lines().count() as u64).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn a_worker_that_is_killed_takes_its_cli_with_it() {
    let world = World::new();
    let executor = world.by_cli().await;
    let mut running = Running::start(world.command(&executor, &["--task", LONG_COMMAND]));
    running.until("tool  Bash").await;
    // The CLI has it as its folder.
    assert_ne!(which_mention(&world.project()), Vec::<u32>::new());
    running.signal(Signal::KILL);
    assert_eq!(running.ended().await.code, None);
    wait_until_none_mention(&world.project(), Duration::from_secs(10)).await;
}

#[tokio::test]
async fn a_worker_that_is_killed_takes_a_cli_with_it_that_heeds_no_signal() {
    let world = World::new();
    let cli = world.path("cli");
    let script = "#!/bin/sh\ntrap '' TERM HUP INT\ntouch up\nwhile :; do sleep 0.1; done\n";
    std::fs::write(&cli, script).expect("written");
    std::fs::set_permissions(&cli, std::fs::Permissions::from_mode(0o755)).expect("executable");
    let cli = cli.display().to_string();
    let running =
        Running::start(world.bare_command(&["--execution-mode", "cli", "--cli", &cli, "--task", "x"]));
    wait_for(&world.project().join("up")).await;
    running.signal(Signal::KILL);
    assert_eq!(running.ended().await.code, None);
    wait_until_none_mention(&world.project(), Duration::from_secs(10)).await;
}

#[tokio::test]
async fn a_second_ctrl_c_leaves_a_server_that_does_not_answer() {
    let world = World::new();
    let executor = world.by_stub().await;
    let mut running = Running::start(world.command(&executor, &["--task", "say Begun.; hold"]));
    running.until("Begun.").await;
    let server = executor.server().expect("a server");
    server.signal(Signal::STOP);
    running.signal(Signal::INT);
    running.until("interrupting").await;
    running.signal(Signal::INT);
    assert_eq!(running.ended().await.code, Some(130));
    server.signal(Signal::CONT);
}

#[tokio::test]
async fn what_is_interrupted_before_it_begins_leaves_nothing() {
    let world = World::new();
    let executor = world.by_stub().await;
    let server = executor.server().expect("a server");
    // It does not answer whether it takes the key.
    server.signal(Signal::STOP);
    let mut running = Running::start(world.command(&executor, &["--task", "say Begun.; hold"]));
    // The worker locks the folder right before it asks.
    wait_for(&world.project().join(".git/agent-worker.lock")).await;
    running.signal(Signal::INT);
    running.until("interrupting").await;
    server.signal(Signal::CONT);
    let ended = running.ended().await;
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(ended.stdout.contains("interrupted before it began"), "{}", ended.stdout);
    assert_eq!(world.git(&["branch"]), "* main");
    assert_eq!(world.runs(), Vec::<std::path::PathBuf>::new());
}

async fn wait_for(file: &std::path::Path) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while !file.exists() {
        assert!(tokio::time::Instant::now() < deadline, "{} does not come", file.display());
        // A folder has no event to wait for that could not be missed.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn what_cannot_be_committed_is_there_and_is_said() {
    let world = World::new();
    let executor = world.by_stub().await;
    world.git(&["config", "commit.gpgSign", "true"]);
    world.git(&["config", "gpg.program", "false"]);
    let ended = world.run(&executor, &["--commit", "--task", "log n.txt line; say Bye."]).await;
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
    let summary = world.summary();
    assert_eq!((told(&summary), &summary["commit"]), ((&json!(1), &json!(1), 1), &Value::Null));
    let error = summary["errors"][0].as_str().expect("an error");
    assert!(error.starts_with("the changes are there, and are not committed: `git commit"), "{error}");
    assert!(world.project().join("n.txt").is_file());
}

#[tokio::test]
async fn work_in_a_repository_of_its_own_is_told_and_never_dropped_unnoticed() {
    let world = World::new();
    let executor = world.by_server().await;
    let make = "git init --quiet own && cd own && echo precious > p.txt && git add p.txt && \
                git -c user.name=A -c user.email=a@localhost commit --quiet -m own";
    let ended = world
        .run(&executor, &["--worktree", "--commit", "--task", &format!("[[bash {make}]] [[say done]]")])
        .await;
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
    assert!(ended.stdout.contains("# first save what is in own"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("worktree remove"), "{}", ended.stdout);
    let summary = world.summary();
    let error = "own: a repository of its own, whose content no commit of this one holds; save it there before the branch is dropped";
    let told = (&summary["exit_code"], &summary["commit"], &summary["repositories"], &summary["errors"]);
    assert_eq!(told, (&json!(1), &Value::Null, &json!(["own"]), &json!([error])), "{summary}");
}

#[tokio::test]
async fn changes_within_a_submodule_are_told() {
    let world = World::new();
    let module = world.path("module");
    std::fs::create_dir(&module).expect("made");
    world.git_in(&module, &["init", "--quiet", "--initial-branch=main"]);
    std::fs::write(module.join("m.txt"), "m\n").expect("written");
    world.git_in(&module, &["add", "--all"]);
    let commit = ["-c", "user.name=A", "-c", "user.email=a@localhost", "commit", "--quiet", "--message=m"];
    world.git_in(&module, &commit);
    let url = module.display().to_string();
    world.git(&["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &url, "module"]);
    world.git(&["commit", "--quiet", "--message=submodule"]);
    let executor = world.by_server().await;
    let executed = world.run(&executor, &["--commit", "--task", "[[say nothing]]"]).await;
    assert_eq!(executed.code, Some(0), "a submodule as it was is no fault: {}", executed.stdout);
    world.git(&["switch", "--quiet", "main"]);
    let ended = world
        .run(&executor, &["--commit", "--task", "[[bash echo changed > module/m.txt]] [[say done]]"])
        .await;
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
    assert!(ended.stdout.contains("# first save what is in module"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("keep  "), "{}", ended.stdout);
    let ended = world.run(&executor, &["--worktree", "--task", "say Nothing."]).await;
    assert_eq!(ended.code, Some(2), "the tree is dirty: {}", ended.stderr);
    // A commit that the submodule's remote has is no loss.
    world.git_in(&world.project().join("module"), &["checkout", "--quiet", "."]);
    world.git(&["switch", "--quiet", "main"]);
    std::fs::write(module.join("m.txt"), "newer\n").expect("written");
    world.git_in(&module, &[&commit[..], &["--all"]].concat());
    let update = "git -C module -c protocol.file.allow=always pull --quiet origin main";
    let ended =
        world.run(&executor, &["--commit", "--task", &format!("[[bash {update}]] [[say done]]")]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    assert_eq!(world.git(&["diff", "--name-only", "main", "HEAD"]), "module");
}

#[tokio::test]
async fn a_conflict_that_nobody_has_resolved_is_not_committed() {
    let world = World::new();
    let executor = world.by_server().await;
    let make = "git switch -q -c other && echo x > a.txt && git -c user.name=A -c user.email=a@localhost commit -q -a -m o && git switch -q -; \
                echo y > a.txt && git -c user.name=A -c user.email=a@localhost commit -q -a -m t; git merge other || true";
    let ended = world
        .run(&executor, &["--worktree", "--commit", "--task", &format!("[[bash {make}]] [[say done]]")])
        .await;
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
    let summary = world.summary();
    let error = "the changes are there, and are not committed: there are conflicts that nobody has resolved (a.txt): resolve them, then commit";
    assert_eq!((&summary["commit"], &summary["errors"]), (&Value::Null, &json!([error])), "{summary}");
}

//! Both ways to run a task come to the same.

use serde_json::{Value, json};

use crate::world::{Ended, Executor, World};

const TASK: &str = "[[write b.txt x\\ny\\n]] [[edit a.txt two=>TWO]] [[bash mkdir -p new && printf 'one\\ntwo' > new/c.txt && echo i > ignored.txt && rm sub/s.txt]] [[say Done.]]";

/// What both ways have to agree in.
fn same(summary: &Value) -> Value {
    let fields =
        ["exit_code", "loc_changes", "files_changed", "errors", "summary", "files", "base", "commit"];
    fields
        .iter()
        .map(|field| ((*field).to_owned(), summary[*field].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn fields(summary: &Value) -> Vec<String> {
    summary.as_object().expect("an object").keys().cloned().collect()
}

async fn in_branch(world: &World, executor: &Executor, mode: &str) -> Value {
    let base = world.git(&["rev-parse", "HEAD"]);
    let Ended { code, stdout, stderr } =
        world.run(executor, &["--task", TASK, "--branch", "agent/both-ways"]).await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    assert_eq!(world.git(&["branch", "--show-current"]), "agent/both-ways");
    let status = world.git(&["status", "--porcelain", "--untracked-files=all"]);
    assert_eq!(status, " M a.txt\n D sub/s.txt\n?? b.txt\n?? new/c.txt");
    let summary = world.summary();
    let file = |path: &str, added: u64, removed: u64, is_untracked: bool| json!({"path": path, "added": added, "removed": removed, "is_untracked": is_untracked});
    let expected = json!({
        "exit_code": 0, "loc_changes": {"added": 5, "removed": 2}, "files_changed": 4, "errors": [],
        "summary": "Done.", "base": base, "commit": null,
        "files": [file("a.txt", 1, 1, false), file("b.txt", 2, 0, true), file("new/c.txt", 2, 0, true),
            file("sub/s.txt", 0, 1, false)],
    });
    assert_eq!(same(&summary), expected);
    assert_eq!((&summary["execution_mode"], &summary["branch"]), (&json!(mode), &json!("agent/both-ways")));
    let usage = |field: &str| summary["token_usage"][field].as_u64().expect("a number");
    assert_eq!(usage("total"), usage("input") + usage("output"));
    assert!(usage("output") > 0 && summary["total_cost_usd"].as_f64() > Some(0.0), "{summary}");
    let run = world.runs().remove(0);
    assert_eq!(run.file_name().and_then(|name| name.to_str()), summary["run_id"].as_str());
    let events = std::fs::read_to_string(run.join("events.jsonl")).expect("events");
    let last: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let end = if mode == "server" { "complete" } else { "result" };
    assert_eq!(last.last().expect("an event")["type"], end);
    let log = std::fs::read_to_string(run.join("agent.log")).expect("a log");
    for part in ["tool  Write", "agent  Done.", "completed  in "] {
        assert!(log.contains(part) && stdout.contains(part), "{part}: {log}");
    }
    for part in ["files  4 changed, +5 -2 lines", "review  git -C ", "merge  git -C ", "drop  git -C "] {
        assert!(stdout.contains(part), "{part}: {stdout}");
    }
    summary
}

#[tokio::test]
async fn a_server_and_the_cli_make_the_same_files_and_the_same_summary() {
    let world = World::new();
    let executor = world.by_server().await;
    let by_server = in_branch(&world, &executor, "server").await;
    // A server's events are numbered without a hole.
    let events = std::fs::read_to_string(world.runs().remove(0).join("events.jsonl")).expect("events");
    let seq = |line: &str| serde_json::from_str::<Value>(line).expect("JSON")["seq"].as_u64();
    let numbers: Vec<_> = events.lines().filter_map(seq).collect();
    assert_eq!(numbers, (1..=events.lines().count() as u64).collect::<Vec<_>>());

    let world = World::new();
    let executor = world.by_cli().await;
    let by_cli = in_branch(&world, &executor, "cli").await;
    assert_eq!(fields(&by_server), fields(&by_cli));
}

#[tokio::test]
async fn a_worktree_leaves_the_project_alone_and_what_is_advised_works() {
    let world = World::new();
    let executor = world.by_stub().await;
    let trace = |name: &str| format!("log {name} line; say Bye.");
    // A stub writes where it is told; its folder is the worktree.
    let ended = world.run(&executor, &["--worktree", "--branch", "agent/w", "--task", &trace("n.txt")]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    let summary = world.summary();
    let tree = world
        .project()
        .join(".agent_worktrees")
        .join(format!("project-{}", summary["run_id"].as_str().expect("an id")));
    assert_eq!(summary["workspace"], tree.to_str().expect("UTF-8"));
    assert_eq!(summary["loc_changes"], json!({"added": 1, "removed": 0}));
    assert_eq!(world.git(&["status", "--porcelain"]), "");
    assert_eq!(world.git(&["branch", "--show-current"]), "main");
    assert!(tree.join("n.txt").is_file());
    // Every command that it prints is run as it stands.
    for label in ["review", "keep", "merge"] {
        advised(&world, &ended.stdout, label);
    }
    assert_eq!(
        world.git(&["show", "HEAD:n.txt"]),
        std::fs::read_to_string(tree.join("n.txt")).expect("read").trim_end()
    );
    advised(&world, &ended.stdout, "drop");
    assert_eq!(world.git(&["branch", "--format=%(refname:short)"]), "main");
    assert!(!tree.exists());
}

#[tokio::test]
async fn a_branch_can_be_dropped_as_advised_or_committed_by_the_worker() {
    let world = World::new();
    let executor = world.by_stub().await;
    let ended = world.run(&executor, &["--task", "log n.txt line; say Bye.", "--branch", "b1"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    advised(&world, &ended.stdout, "drop");
    assert_eq!(
        (world.git(&["status", "--porcelain"]), world.git(&["branch"])),
        (String::new(), "* main".to_owned())
    );

    // Called from within the repository: what it keeps there does not make the tree dirty.
    let arguments = ["--task", "log n.txt line; say Bye.", "--branch", "b2", "--commit"];
    let mut command = world.command(&executor, &arguments);
    command.current_dir(world.project());
    let ended = crate::world::Running::start(command).ended().await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
    assert_eq!(world.git(&["status", "--porcelain"]), "");
    assert_eq!(world.git(&["log", "-1", "--format=%an: %s"]), "Somebody: log n.txt line; say Bye.");
    assert_eq!(world.git(&["diff", "--stat", "--name-only", "main", "b2"]), "n.txt");
    assert!(world.project().join(".agent_runs").is_dir());
    for label in ["review", "merge"] {
        advised(&world, &ended.stdout, label);
    }
    assert_eq!(world.git(&["log", "-1", "--format=%s", "main"]), "log n.txt line; say Bye.");
}

#[tokio::test]
async fn a_project_may_be_a_folder_of_a_repository_and_what_is_checked_out_a_mere_commit() {
    let world = World::new();
    let executor = world.by_stub().await;
    let server = executor.server().expect("a server").url();
    world.git(&["switch", "--quiet", "--detach"]);
    for (tree, place) in [("--branch=in-place", "sub"), ("--worktree", "")] {
        let arguments = [tree, "--task", "log n.txt line; say Bye.", "--server-url", server];
        let command = world.command_in(&world.project().join("sub"), &arguments);
        let ended = crate::world::Running::start(command).ended().await;
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
        let summaries: Vec<_> = world.runs().iter().map(|run| crate::world::summary_of(run)).collect();
        let is_this = |summary: &&Value| (summary["branch"] == "in-place") == (place == "sub");
        let summary = summaries.iter().find(is_this).expect("a summary");
        assert_eq!(summary["files"][0]["path"], "sub/n.txt");
        assert!(summary["workspace"].as_str().is_some_and(|folder| folder.ends_with("/sub")), "{summary}");
        advised(&world, &ended.stdout, "drop");
        assert_eq!(world.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads"]), "main");
        assert_eq!(world.git(&["status", "--porcelain"]), "");
    }
}

#[tokio::test]
async fn a_server_with_tls_is_reached_by_a_certificate_that_is_trusted() {
    let world = World::new();
    let pair = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let (certificate, key) = (world.path("cert.pem"), world.path("key.pem"));
    std::fs::write(&certificate, pair.cert.pem()).expect("written");
    std::fs::write(&key, pair.signing_key.serialize_pem()).expect("written");
    let files = [
        ("SERVER_TLS_CERT_FILE", certificate.to_str().expect("UTF-8")),
        ("SERVER_TLS_KEY_FILE", key.to_str().expect("UTF-8")),
    ];
    let executor = Executor::of(world.server(&testing::stub_agent(), &files).await);
    let stranger = world.run(&executor, &["--task", "say Bye."]).await;
    assert_eq!(stranger.code, Some(2), "{}", stranger.stdout);
    assert!(stranger.stderr.contains("UnknownIssuer"), "{}", stranger.stderr);
    let mut command = world.command(&executor, &["--task", "say Bye."]);
    command.env("SSL_CERT_FILE", &certificate);
    let ended = crate::world::Running::start(command).ended().await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
    assert_eq!(world.summary()["summary"], "Bye.");
}

/// Runs a command that the worker has printed.
fn advised(world: &World, stdout: &str, label: &str) {
    let start = format!("{label}  ");
    let command = stdout.lines().find_map(|line| line.trim_start().strip_prefix(&start)).expect("advice");
    let output = std::process::Command::new("sh")
        .args(["-c", command])
        .current_dir("/")
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", world.path("home"))
        .env("GIT_EDITOR", "sh -c 'echo work > \"$1\"' --")
        .output()
        .expect("a shell");
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
}

//! What is refused, with what to do, and leaves everything as it was.

use testing::{ServerBuilder, server_program};

use crate::world::{Ended, Executor, Running, World};

const TASK: [&str; 2] = ["--task", "say Hello."];

fn refused(world: &World, ended: &Ended, parts: &[&str]) {
    assert_eq!(ended.code, Some(2), "{ended:?}");
    for part in parts {
        assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
    }
    assert_eq!(world.git(&["branch", "--format=%(refname:short)"]), "main");
    assert_eq!(world.git(&["branch", "--show-current"]), "main");
    assert!(world.runs().is_empty(), "{:?}", world.runs());
}

async fn bare(world: &World, arguments: &[&str]) -> Ended {
    Running::start(world.bare_command(arguments)).ended().await
}

#[tokio::test]
async fn a_tree_that_is_not_clean_is_refused_whatever_makes_it_so() {
    let world = World::new();
    world.write("new.txt", "");
    let parts = ["has changes that are not committed (new.txt)", "git stash --include-untracked"];
    refused(&world, &bare(&world, &TASK).await, &parts);
    refused(&world, &bare(&world, &[TASK[0], TASK[1], "--worktree"]).await, &parts);
    std::fs::remove_file(world.project().join("new.txt")).expect("gone");
    world.write("a.txt", "changed");
    refused(&world, &bare(&world, &TASK).await, &["(a.txt)"]);
    world.git(&["add", "a.txt"]);
    refused(&world, &bare(&world, &TASK).await, &["(a.txt)"]);
}

#[tokio::test]
async fn no_repository_no_commit_and_no_folder_are_told_apart() {
    let world = World::new();
    let project = async |name: &str| Running::start(world.command_in(&world.path(name), &TASK)).ended().await;
    refused(&world, &project("nowhere").await, &["is not there, or is no folder: correct --project"]);
    refused(&world, &project("here").await, &["is in no git repository: run `git init`"]);
    std::fs::create_dir(world.path("empty")).expect("made");
    world.git_in(&world.path("empty"), &["init", "--quiet"]);
    refused(&world, &project("empty").await, &["has no commit yet: make the first one"]);
}

#[tokio::test]
async fn a_server_that_is_not_there_or_does_not_take_the_key_is_said_before_anything_is_made() {
    let world = World::new();
    let ended = bare(&world, &[TASK[0], TASK[1], "--server-url", "http://127.0.0.1:1"]).await;
    refused(&world, &ended, &["no server answers at http://127.0.0.1:1: start one", "--server-url"]);
    let binary = server_program();
    let server = ServerBuilder::stub(binary.to_str().expect("UTF-8"))
        .variable("API_AUTH_ENABLED", "true")
        .variable("API_API_KEY", "a-key-of-the-server")
        .start()
        .await;
    let executor = Executor::of(server);
    refused(&world, &world.run(&executor, &TASK).await, &["(401 unauthorized)", "--server-api-key"]);
}

#[tokio::test]
async fn a_folder_that_the_server_may_not_use_leaves_no_branch_and_no_worktree() {
    let world = World::new();
    let binary = server_program();
    let executor = Executor::of(ServerBuilder::stub(binary.to_str().expect("UTF-8")).start().await);
    let parts = ["the server may not work in", "(400 workspace_not_allowed)", "WORKSPACE_ROOTS"];
    refused(&world, &world.run(&executor, &TASK).await, &parts);
    refused(&world, &world.run(&executor, &[TASK[0], TASK[1], "--worktree"]).await, &parts);
    assert_eq!(world.git(&["worktree", "list"]).lines().count(), 1);
    assert_eq!(world.git(&["status", "--porcelain"]), "");
}

#[tokio::test]
async fn branches_tasks_and_programs_that_cannot_be_are_refused() {
    let world = World::new();
    let branch = async |name: &str| {
        let branch = format!("--branch={name}");
        bare(&world, &[TASK[0], TASK[1], &branch]).await
    };
    for name in ["-f", "a..b", "a b", "@{1}", "", "x.lock", "HEAD"] {
        refused(&world, &branch(name).await, &["cannot be a branch's name"]);
    }
    refused(&world, &branch("main").await, &["there is a branch main already"]);
    refused(&world, &branch("main/x").await, &["the branch main/x cannot be beside main"]);
    refused(&world, &bare(&world, &["--task", " "]).await, &["the task is empty"]);
    refused(&world, &bare(&world, &[]).await, &["--task"]);
    refused(&world, &bare(&world, &["--task-file", "nowhere.md"]).await, &["nowhere.md cannot be read"]);
    let cli = bare(&world, &[TASK[0], TASK[1], "--execution-mode", "cli", "--cli", "/nowhere/claude"]).await;
    refused(&world, &cli, &["/nowhere/claude (or CLAUDE_CLI_PATH) is not an executable file"]);
}

#[tokio::test]
async fn a_second_worker_waits_for_no_one_and_is_told_to_use_a_worktree() {
    let world = World::new();
    let executor = world.by_stub().await;
    let mut first = Running::start(world.command(&executor, &["--task", "say Begun.; hold"]));
    first.until("Begun.").await;
    let second = world.run(&executor, &TASK).await;
    assert_eq!(second.code, Some(2));
    assert!(second.stderr.contains("another agent-worker is at work in"), "{}", second.stderr);
    assert_eq!(world.run(&executor, &[TASK[0], TASK[1], "--worktree"]).await.code, Some(0));
    first.signal(testing::Signal::INT);
    assert_eq!(first.ended().await.code, Some(130));
}

#[tokio::test]
async fn what_would_fail_only_after_the_work_is_refused_before_it_and_leaves_nothing() {
    let world = World::new();
    let all = |more: &[&'static str]| [&TASK[..], more].concat();
    let untouched = std::fs::read_to_string(world.project().join(".git/info/exclude")).unwrap_or_default();
    world.git(&["config", "--unset", "user.email"]);
    world.git(&["config", "user.useConfigOnly", "true"]);
    refused(
        &world,
        &bare(&world, &all(&["--commit"])).await,
        &["git does not know who commits", "user.email"],
    );
    std::fs::create_dir(world.project().join("empty")).expect("made");
    let project = world.project().join("empty");
    let ended = Running::start(world.command_in(&project, &all(&["--worktree"]))).ended().await;
    refused(&world, &ended, &["empty is not in the last commit", "leave --worktree out"]);
    let exclude = std::fs::read_to_string(world.project().join(".git/info/exclude")).unwrap_or_default();
    assert_eq!((exclude, world.project().join(".agent_worktrees").exists()), (untouched, false));
    world.git(&["branch", "agent"]);
    let ended = bare(&world, &TASK).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("the branch agent/run cannot be beside agent"), "{}", ended.stderr);
}

#[tokio::test]
async fn ctrl_c_ends_it_while_a_server_takes_connections_and_says_nothing() {
    let world = World::new();
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", silent.local_addr().expect("an address"));
    for signal in [testing::Signal::INT, testing::Signal::HUP] {
        let running = Running::start(world.bare_command(&[TASK[0], TASK[1], "--server-url", &url]));
        // It has asked, and is given no answer.
        let (connection, _) = silent.accept().await.expect("a connection");
        running.signal(signal);
        let ended = running.ended().await;
        drop(connection);
        assert_eq!(ended.code, Some(130), "{ended:?}");
        assert!(ended.stdout.contains("interrupting; Ctrl-C again leaves at once"), "{ended:?}");
    }
    assert!(world.runs().is_empty());
}

#[tokio::test]
async fn a_folder_for_worktrees_that_holds_files_of_the_repository_is_refused() {
    let world = World::new();
    let executor = world.by_stub().await;
    // A tag of the branch's name is no hindrance.
    world.git(&["tag", "feat"]);
    let ended = world.run(&executor, &[TASK[0], TASK[1], "--branch", "feat", "--worktree"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let world = World::new();
    let executor = world.by_stub().await;
    let sub = world.project().join("sub").display().to_string();
    let ended = world.run(&executor, &[TASK[0], TASK[1], "--worktree", "--worktrees", &sub]).await;
    refused(&world, &ended, &["sub has files of the repository in it", "--worktrees"]);
    assert!(
        !std::fs::read_to_string(world.project().join(".git/info/exclude"))
            .unwrap_or_default()
            .contains("sub")
    );
}

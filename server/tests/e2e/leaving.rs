//! What becomes of a command, and of its task, when somebody or something ends it: signals, and outputs that nobody reads.

use std::fs::OpenOptions;
use std::process::Stdio;

use testing::{Server, Signal};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

use crate::command::outcome;
use crate::remote_commands::WAIT;
use crate::running::Running;
use crate::{BINARY, LONG_COMMAND, demo, task};

/// `run`, once its agent works.
async fn at_work(server: &Server) -> Running {
    let workspace = server.workspace("w").display().to_string();
    let arguments = ["run", "--task-id", "t1", "--workspace", &workspace, LONG_COMMAND];
    let mut run = Running::start(server.url(), &arguments);
    run.until("python3 -c").await;
    run
}

async fn status(server: &Server) -> String {
    server.get("/api/v1/tasks/t1").await.1["status"].as_str().expect("a status").to_owned()
}

#[tokio::test]
async fn a_signal_interrupts_what_was_run_and_is_told_by_the_exit_code() {
    for (signal, code, told) in [(Signal::TERM, 143, "SIGTERM: "), (Signal::HUP, 129, "SIGHUP: ")] {
        let server = demo().await;
        let workspace = server.workspace("w").display().to_string();
        // Whatever the tests themselves were told to ignore.
        let arguments = ["--default-signal=HUP", BINARY, "run", "--task-id", "t1", "--workspace", &workspace];
        let mut run =
            Running::program("/usr/bin/env", server.url(), &[&arguments[..], &[LONG_COMMAND]].concat());
        run.until("python3 -c").await;
        run.signal(signal);
        let (ended, lines, complaints) = run.ended().await;
        assert_eq!((ended, complaints.as_str()), (Some(code), ""));
        let note = format!("{told}interrupting; Ctrl-C again leaves at once");
        assert!(lines.iter().any(|line| line.ends_with(&note)), "{lines:?}");
        assert_eq!(status(&server).await, "interrupted");
    }
}

#[tokio::test]
async fn a_closed_terminal_means_nothing_to_what_was_started_to_outlast_it() {
    let server = demo().await;
    let workspace = server.workspace("w");
    let place = workspace.display().to_string();
    let prompt = format!("{WAIT} [[say Bye.]]");
    let arguments = ["--ignore-signal=HUP", BINARY, "run", "--task-id", "t1", "--workspace", &place, &prompt];
    let mut run = Running::program("/usr/bin/env", server.url(), &arguments);
    run.until("python3 -c").await;
    run.signal(Signal::HUP);
    std::fs::write(workspace.join("go"), "").expect("written");
    assert_eq!(run.ended().await.0, Some(0));
}

#[tokio::test]
async fn who_watches_for_a_reader_that_went_away_leaves_at_once_and_the_task_goes_on() {
    let server = demo().await;
    server.submit(&task(&server, "t1", LONG_COMMAND)).await;
    for arguments in [&["watch", "t1"][..], &["watch", "t1", "--json"], &["logs", "--follow", "t1"]] {
        let mut watch = Running::start(server.url(), arguments);
        watch.until("python3 -c").await;
        watch.close_stdout();
        let (code, _, complaints) = watch.ended().await;
        assert_eq!((code, complaints.as_str()), (Some(141), ""), "{arguments:?}");
    }
    assert_eq!(status(&server).await, "running");
}

#[tokio::test]
async fn a_run_that_nobody_reads_any_more_is_interrupted() {
    let server = demo().await;
    let mut run = at_work(&server).await;
    run.close_stdout();
    let (code, _, complaints) = run.ended().await;
    let told =
        "claude-code-server: nobody reads the output any more: interrupting; Ctrl-C again leaves at once\n";
    assert_eq!((code, complaints.as_str()), (Some(141), told));
    assert_eq!(status(&server).await, "interrupted");
}

#[tokio::test]
async fn what_is_asked_once_ends_quietly_without_a_reader_and_says_when_a_disk_is_full() {
    let server = demo().await;
    let workspace = server.workspace("w").display().to_string();
    // It ends first: of a task at work the log has no last page.
    let submission = ["run", "--task-id", "t1", "--workspace", &workspace, "[[say x]]"];
    assert_eq!(Running::start(server.url(), &submission).ended().await.0, Some(0));
    let mut commands = vec![[&submission[..], &["--detach"]].concat()];
    let asked =
        [&["tasks"][..], &["tasks", "--json"], &["sessions"], &["sessions", "--json"], &["task", "t1"]];
    commands.extend(asked.map(<[_]>::to_vec));
    commands
        .extend([&["task", "t1", "--json"][..], &["logs", "t1"], &["interrupt", "t1"]].map(<[_]>::to_vec));
    for arguments in commands {
        let asked = async |stdout: Stdio| {
            let mut command = Command::new(BINARY);
            command.args(&arguments).env_clear().env("CLAUDE_SERVER_URL", server.url());
            let child = command.stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped()).spawn();
            outcome(child.expect("a process").wait_with_output().await.expect("an end"))
        };
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        assert_eq!(asked(writer.into()).await, (Some(0), String::new(), String::new()), "{arguments:?}");
        let full = OpenOptions::new().write(true).open("/dev/full").expect("a full device");
        let (code, _, complaints) = asked(full.into()).await;
        assert_eq!(code, Some(2), "{arguments:?}");
        assert!(complaints.contains("stdout cannot be written"), "{arguments:?}: {complaints}");
    }
}

/// A way to a server that is closed until it is opened: what is sent to it stays on the way.
struct Gate {
    listener: TcpListener,
    url: String,
}

impl Gate {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        Self { listener, url }
    }

    /// Waits until somebody has something to send.
    async fn knocked(&self) -> TcpStream {
        let (connection, _) = self.listener.accept().await.expect("a connection");
        connection.readable().await.expect("a request");
        connection
    }

    /// Lets this connection through, and all others.
    async fn open(self, server: &Server, mut connection: TcpStream) {
        let address = server.url().strip_prefix("http://").expect("an address").to_owned();
        loop {
            let mut onward = TcpStream::connect(&address).await.expect("a connection");
            tokio::spawn(async move { copy_bidirectional(&mut connection, &mut onward).await.ok() });
            connection = self.listener.accept().await.expect("a connection").0;
        }
    }
}

#[tokio::test]
async fn a_task_that_is_unwanted_before_it_is_known_is_interrupted_once_it_is() {
    let server = demo().await;
    let workspace = server.workspace("w").display().to_string();
    for more in [&[][..], &["--json"], &["--detach"]] {
        let gate = Gate::new().await;
        let id = format!("t{}", more.concat());
        let arguments = [&["run", "--task-id", &id, "--workspace", &workspace, LONG_COMMAND], more].concat();
        let mut run = Running::start(&gate.url, &arguments);
        let connection = gate.knocked().await;
        run.signal(Signal::INT);
        let told = "claude-code-server: interrupting what is being submitted; Ctrl-C again leaves at once";
        assert_eq!(run.complaint().await, told);
        let (code, _, complaints) = tokio::select! {
            ended = run.ended() => ended,
            () = gate.open(&server, connection) => unreachable!("it lets everybody through"),
        };
        assert_eq!((code, complaints.as_str()), (Some(130), ""), "{more:?}");
        assert_eq!(server.get(&format!("/api/v1/tasks/{id}")).await.1["status"], "interrupted");
    }
}

#[tokio::test]
async fn a_second_ctrl_c_leaves_a_submission_and_says_what_may_have_become_of_it() {
    let gate = Gate::new().await;
    let mut run = Running::start(&gate.url, &["run", "--task-id", "t1", "--workspace", "/", "p"]);
    let connection = gate.knocked().await;
    run.signal(Signal::INT);
    run.complaint().await;
    run.signal(Signal::INT);
    let (code, lines, complaints) = run.ended().await;
    let told = "claude-code-server: left: the task may have been admitted as t1; `claude-code-server interrupt t1` stops it\n";
    assert_eq!((code, lines, complaints.as_str()), (Some(130), vec![], told));
    drop(connection);
}

//! `run` and `watch` on a terminal: what is drawn, and what typed keys do.

use pty_process::{Command, OwnedReadPty, OwnedWritePty, Size};
use testing::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Child;
use tokio::time::timeout;

use crate::command::run;
use crate::remote_commands::WAIT;
use crate::running::WITHIN;
use crate::{BINARY, LONG_COMMAND, demo};

/// What the key sends.
const CTRL_C: u8 = 3;
const CLEAR_LINE: &str = "\r\u{1b}[K";
const PROGRESS: &str = "    working\u{1b}[0m  ";

/// A command on a terminal of its own.
struct Terminal {
    child: Child,
    screen: OwnedReadPty,
    keys: OwnedWritePty,
    shown: String,
}

impl Terminal {
    fn start(server: &Server, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let (pty, pts) = pty_process::open().expect("a terminal");
        pty.resize(Size::new(24, 60)).expect("a size");
        let command = Command::new(BINARY).args(arguments).env_clear().kill_on_drop(true);
        let command = command.env("CLAUDE_SERVER_URL", server.url()).envs(variables.iter().copied());
        let child = command.spawn(pts).expect("a process");
        let (screen, keys) = pty.into_split();
        Self { child, screen, keys, shown: String::new() }
    }

    /// Reads on; false at the end.
    async fn read(&mut self) -> bool {
        let mut bytes = [0; 4096];
        let read = timeout(WITHIN, self.screen.read(&mut bytes)).await.expect("an output in time");
        // A terminal that nobody has open any more says so by an error.
        let count = read.unwrap_or_default();
        let read = bytes.get(..count).expect("what was read");
        self.shown.push_str(&String::from_utf8_lossy(read));
        count > 0
    }

    async fn until(&mut self, part: &str) {
        while !self.shown.contains(part) {
            assert!(self.read().await, "it ended before {part:?}: {:?}", self.shown);
        }
    }

    async fn press(&mut self, key: u8) {
        self.keys.write_all(&[key]).await.expect("typed");
    }

    async fn ended(mut self) -> (Option<i32>, String) {
        while self.read().await {}
        let status = timeout(WITHIN, self.child.wait()).await.expect("an end in time").expect("a status");
        (status.code(), self.shown)
    }
}

fn run_arguments<'a>(workspace: &'a str, prompt: &'a str) -> [&'a str; 6] {
    ["run", "--task-id", "t1", "--workspace", workspace, prompt]
}

#[tokio::test]
async fn a_terminal_gets_colour_and_a_line_with_the_progress_which_is_gone_at_the_end() {
    let server = demo().await;
    let workspace = server.workspace("w");
    let place = workspace.display().to_string();
    let prompt = format!("[[write a.txt x]] {WAIT} [[say Bye.]]");
    let mut run = Terminal::start(&server, &run_arguments(&place, &prompt), &[]);
    // It is drawn again each second, and no wider than the terminal.
    run.until("python3 -c").await;
    run.until(PROGRESS).await;
    let lines = run.shown.matches(PROGRESS).count();
    while run.shown.matches(PROGRESS).count() < lines + 2 {
        assert!(run.read().await, "it ended: {:?}", run.shown);
    }
    std::fs::write(workspace.join("go"), "").expect("written");
    let (code, shown) = run.ended().await;
    assert_eq!(code, Some(0), "{shown:?}");
    assert!(shown.contains("\u{1b}[32m      agent\u{1b}[0m  Bye.\r\n"), "{shown:?}");
    assert!(shown.contains("\u{1b}[36m       tool\u{1b}[0m  Write "), "{shown:?}");
    let (before, end) = shown.rsplit_once("\u{1b}[1;32m  completed\u{1b}[0m  ").expect("an end");
    assert!(before.ends_with(CLEAR_LINE), "{before:?}");
    assert!(end.ends_with("\r\n") && !end.contains('\u{1b}'), "{end:?}");
    for drawn in shown.split(PROGRESS).skip(1) {
        let text = drawn.split(['\r', '\u{1b}']).next().expect("a text");
        assert!(text.chars().count() <= 60 - "    working  ".len(), "{text:?}");
    }
}

#[tokio::test]
async fn colour_is_neither_for_pipes_nor_for_who_wants_none() {
    let server = demo().await;
    let place = server.workspace("w").display().to_string();
    let arguments = run_arguments(&place, "[[write a.txt x]] [[say Bye.]]");
    let (code, shown) = Terminal::start(&server, &arguments, &[("NO_COLOR", "1")]).ended().await;
    assert_eq!((code, shown.contains("      agent  Bye.\r\n")), (Some(0), true), "{shown:?}");
    // The progress line is no colour.
    assert_eq!(shown.replace(CLEAR_LINE, "").matches('\u{1b}').count(), 0, "{shown:?}");
    let (code, shown) = Terminal::start(&server, &["logs", "t1"], &[("NO_COLOR", "")]).ended().await;
    assert_eq!((code, shown.contains("\u{1b}[32m      agent\u{1b}[0m  Bye.")), (Some(0), true), "{shown:?}");
    let url = [("CLAUDE_SERVER_URL", server.url())];
    let (code, piped, _) = run(&server.workspace("w"), &["watch", "t1"], &url).await;
    assert_eq!((code, piped.contains("      agent  Bye.\n")), (Some(0), true), "{piped:?}");
    assert!(!piped.contains(['\u{1b}', '\r']), "{piped:?}");
}

#[tokio::test]
async fn a_typed_ctrl_c_interrupts_what_was_run() {
    let server = demo().await;
    let place = server.workspace("w").display().to_string();
    let mut run = Terminal::start(&server, &run_arguments(&place, LONG_COMMAND), &[]);
    run.until("python3 -c").await;
    run.press(CTRL_C).await;
    run.until("interrupting; Ctrl-C again leaves at once").await;
    let (code, shown) = run.ended().await;
    assert_eq!((code, shown.contains("interrupted\u{1b}[0m  ")), (Some(130), true), "{shown:?}");
    assert_eq!(server.get("/api/v1/tasks/t1").await.1["status"], "interrupted");
}

#[tokio::test]
async fn a_second_typed_ctrl_c_leaves_and_names_the_task() {
    let server = demo().await;
    let place = server.workspace("w").display().to_string();
    let mut run = Terminal::start(&server, &run_arguments(&place, LONG_COMMAND), &[]);
    run.until("python3 -c").await;
    server.signal(testing::Signal::STOP);
    run.press(CTRL_C).await;
    run.until("interrupting; Ctrl-C again leaves at once").await;
    run.press(CTRL_C).await;
    let (code, shown) = run.ended().await;
    server.signal(testing::Signal::CONT);
    let told = "left before the task t1 had ended: `claude-code-server task t1` tells what became of it\r\n";
    assert_eq!((code, shown.contains(told)), (Some(130), true), "{shown:?}");
}

#[tokio::test]
async fn what_an_agent_says_cannot_take_over_the_terminal() {
    let server = demo().await;
    let place = server.workspace("w").display().to_string();
    let prompt = "[[say a\u{202e}b\u{2066}c\u{200b}d\u{9b}2Je\u{7}f\u{1b}]8;;http://x\u{7}]]";
    let (code, shown) = Terminal::start(&server, &run_arguments(&place, prompt), &[]).ended().await;
    assert_eq!(code, Some(0), "{shown:?}");
    assert!(shown.contains("agent\u{1b}[0m  a\u{fffd}b\u{fffd}c\u{fffd}d 2Je f ]8;;http://x"), "{shown:?}");
    assert!(!shown.contains(['\u{202e}', '\u{2066}', '\u{200b}', '\u{9b}', '\u{7}']), "{shown:?}");
}

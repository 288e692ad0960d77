//! A server that takes connections and never says anything.

use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::net::TcpListener;

use crate::command::run;

/// What a command may take: the ten seconds of a first contact, and to start on a busy machine.
const WITHIN: Duration = Duration::from_secs(25);

#[tokio::test]
async fn every_command_gives_a_silent_server_up_in_seconds_and_names_it() {
    // The system takes connections, and nobody reads them.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let commands: [&[&str]; 9] = [
        &["tasks"],
        &["tasks", "--json"],
        &["task", "t1"],
        &["sessions"],
        &["interrupt", "t1"],
        &["logs", "t1"],
        &["logs", "--follow", "t1"],
        &["watch", "t1"],
        &["run", "--task-id", "t1", "--workspace", "/", "p"],
    ];
    let begun = Instant::now();
    let variables = [("CLAUDE_SERVER_URL", url.as_str())];
    let ended = commands.map(|arguments| run(Path::new("/"), arguments, &variables));
    let ended = join_all(ended).await;
    assert!(begun.elapsed() < WITHIN, "{:?}", begun.elapsed());
    let told = format!(
        "the server at {url} gave no answer within 10 s: look whether it hangs (its log, /health), or give another's address\n"
    );
    for (arguments, (code, stdout, stderr)) in commands.iter().zip(ended) {
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}");
        let admitted = if arguments.contains(&"run") {
            "the task may have been admitted as t1: the same command with --task-id t1 follows it and runs it no second time: "
        } else {
            ""
        };
        assert_eq!(stderr, format!("claude-code-server: {admitted}{told}"), "{arguments:?}");
    }
}

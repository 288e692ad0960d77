//! A pipe held open by somebody who is not ours to kill.

use std::process::Stdio;
use std::time::{Duration, Instant};

use process::DRAIN_LIMIT;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;

use crate::child::{EXIT_0, PATIENCE, python, runs};

/// Older than the child, and no descendant: takes the descriptor it is sent, and keeps it.
const KEEPER: &str = "
import socket, sys, time
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen()
print('ready', flush=True)
socket.recv_fds(server.accept()[0], 1, 1)
time.sleep(1000)
";

#[tokio::test]
async fn a_reader_of_a_pipe_held_open_by_a_stranger_is_not_stuck_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let mut keeper = Command::new("/usr/bin/python3")
        .args(["-c", KEEPER])
        .arg(&socket)
        .env_clear()
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut ready = String::new();
    BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut ready).await.unwrap();
    let hand_over = format!(
        "import socket\ns = socket.socket(socket.AF_UNIX)\ns.connect('{}')\nprint('sent', flush=True)\n\
         socket.send_fds(s, [b'x'], [1])\n",
        socket.display()
    );
    let mut child = python(&hand_over).await;
    let start = Instant::now();
    let receipt = child.life.ended().await;
    assert_eq!((receipt.exit, receipt.pipes_leaked, receipt.processes_left), (Some(EXIT_0), true, 0));
    assert_eq!(receipt.processes_killed, 0);
    let mut text = Vec::new();
    tokio::select! {
        end = child.stdout.read_to_end(&mut text) => panic!("the stranger let go: {end:?}"),
        () = child.life.drain_deadline() => {}
    }
    assert_eq!(text, b"sent\n");
    assert!(start.elapsed() < PATIENCE + DRAIN_LIMIT + Duration::from_secs(1));
    assert!(runs(keeper.id().unwrap()), "a stranger is not killed");
    keeper.kill().await.unwrap();
}

//! Daemons: forked twice, in a session of their own, with an environment of their own.

use crate::child::{AT_ONCE, PATIENCE, lines, next_pid, python, runs};

/// The parent of the daemon goes on, so that parentage leads to it.
const PARENT_STAYS: &str = "
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execve('/bin/sh', ['sh', '-c', 'echo $$; exec sleep 1000 >/dev/null 2>&1'], {})
    time.sleep(1000)
time.sleep(1000)
";

/// The parent of the daemon ends, and only the child's stdout is left to recognise it by.
const HOLDS_STDOUT: &str = "
import os, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execve('/bin/sh', ['sh', '-c', 'echo $$; exec sleep 1000'], {})
    os._exit(0)
os.wait()
sys.stdin.read()
";

#[tokio::test]
async fn a_daemon_without_marker_is_found_by_parentage() {
    let child = python(PARENT_STAYS).await;
    let daemon = next_pid(&mut lines(child.stdout)).await;
    let receipt = child.life.stop(AT_ONCE).await;
    assert!(!runs(daemon));
    assert_eq!((receipt.processes_left, receipt.pipes_leaked), (0, false));
    assert!(receipt.processes_killed >= 2, "{receipt:?}");
}

#[tokio::test]
async fn a_daemon_that_holds_the_stdout_of_an_exited_child_is_killed() {
    let child = python(HOLDS_STDOUT).await;
    let mut lines = lines(child.stdout);
    let daemon = next_pid(&mut lines).await;
    drop(child.stdin);
    let end = tokio::time::timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap();
    assert_eq!(end, None, "the pipe is let go of");
    let receipt = child.life.ended().await;
    assert!(!runs(daemon));
    assert_eq!((receipt.processes_killed, receipt.processes_left, receipt.pipes_leaked), (1, 0, false));
}

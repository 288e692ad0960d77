use tokio::io::AsyncWriteExt;

use crate::child::{EXIT_0, lines, shell};

#[tokio::test]
async fn a_child_outlives_the_thread_that_asked_for_it() {
    let runtime = tokio::runtime::Handle::current();
    let ask = move || runtime.block_on(shell("read line; echo $line"));
    // Joined, so the thread is gone: had it forked the child, the parent-death signal would have come.
    let mut child =
        tokio::task::spawn_blocking(move || std::thread::spawn(ask).join().unwrap()).await.unwrap();
    child.stdin.write_all(b"still here\n").await.unwrap();
    assert_eq!(lines(child.stdout).next_line().await.unwrap().as_deref(), Some("still here"));
    assert_eq!(child.life.exited().await, EXIT_0);
}

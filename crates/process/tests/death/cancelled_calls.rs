use std::task::Poll;

use process::spawn;

use crate::child::{EXIT_0, PATIENT, SIGTERMED, lines, next_pid, runs, shell, spec, until};

#[tokio::test]
async fn a_child_whose_spawn_is_dropped_is_killed() {
    let script = format!(": spawn dropped by {}; sleep 1000; :", std::process::id());
    let mut starting = Box::pin(spawn(spec("sh", &["-c", &script])));
    // Polled once, the order is with the spawning thread; then nobody waits for the answer.
    let first = std::future::poll_fn(|context| Poll::Ready(starting.as_mut().poll(context).is_ready())).await;
    assert!(!first);
    until("the child to run", || shells_running(&script) > 0).await;
    drop(starting);
    until("the child to be gone", || shells_running(&script) == 0).await;
}

/// Processes whose command line holds `script`.
fn shells_running(script: &str) -> usize {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| std::fs::read_to_string(entry.path().join("cmdline")).ok());
    lines.filter(|line| line.contains(script)).count()
}

#[tokio::test]
async fn waiting_may_be_given_up_and_taken_up_by_many() {
    let child = shell("read line; exit 0").await;
    let life = &child.life;
    assert!(tokio::time::timeout(std::time::Duration::ZERO, life.exited()).await.is_err());
    assert!(tokio::time::timeout(std::time::Duration::ZERO, life.ended()).await.is_err());
    let mut stdin = child.stdin;
    tokio::io::AsyncWriteExt::write_all(&mut stdin, b"go\n").await.unwrap();
    let (one, two, receipt) = tokio::join!(life.exited(), life.exited(), life.ended());
    assert_eq!((one, two, receipt.exit), (EXIT_0, EXIT_0, Some(EXIT_0)));
}

#[tokio::test]
async fn a_stop_that_is_dropped_goes_on() {
    let child = shell("echo $$; exec sleep 1000").await;
    let pid = next_pid(&mut lines(child.stdout)).await;
    let ladder = process::Ladder { exit_grace: std::time::Duration::ZERO, ..PATIENT };
    assert!(tokio::time::timeout(std::time::Duration::ZERO, child.life.stop(ladder)).await.is_err());
    assert_eq!(child.life.exited().await, SIGTERMED);
    until("the child to be reaped", || !runs(pid)).await;
}

use crate::child::{AT_ONCE, EXIT_0, lines, next_pid, runs, shell};

#[tokio::test]
async fn a_grandchild_in_its_own_session_dies_with_the_child() {
    let child = shell("setsid sh -c 'echo $$; sleep 1000' & wait").await;
    let grandchild = next_pid(&mut lines(child.stdout)).await;
    let receipt = child.life.stop(AT_ONCE).await;
    assert!(!runs(grandchild));
    assert_eq!(receipt.processes_left, 0);
    assert!(receipt.processes_killed >= 2, "{receipt:?}");
}

#[tokio::test]
async fn what_a_child_leaves_behind_at_its_normal_exit_is_killed_and_counted() {
    let child = shell("setsid sh -c 'echo $$; exec sleep 1000' & read line").await;
    let mut lines = lines(child.stdout);
    let grandchild = next_pid(&mut lines).await;
    drop(child.stdin);
    let receipt = child.life.ended().await;
    assert!(!runs(grandchild));
    assert_eq!((receipt.processes_killed, receipt.processes_left), (1, 0));
    // `read` fails at end of file.
    assert_eq!(receipt.exit.map(|exit| exit.code), Some(Some(1)), "not {EXIT_0:?}");
}

use std::time::Duration;

use process::{Ladder, Rung};

use crate::child::{SIGKILLED, lines, next_pid, shell};

#[tokio::test]
async fn a_child_that_ignores_sigterm_is_killed() {
    let child = shell("trap '' TERM; echo $$; while :; do sleep 1; done").await;
    let pid = next_pid(&mut lines(child.stdout)).await;
    assert_eq!(pid, child.life.pid());
    let term_grace = Duration::from_millis(100);
    let receipt = child.life.stop(Ladder { exit_grace: Duration::ZERO, term_grace }).await;
    assert_eq!(receipt.exit, Some(SIGKILLED));
    let rungs: Vec<Rung> = receipt.rungs.iter().map(|report| report.rung).collect();
    assert_eq!(rungs, [Rung::ExitedAlone, Rung::Terminated, Rung::Killed]);
    assert!(receipt.rungs[1].took >= term_grace, "{receipt:?}");
    assert_eq!(receipt.processes_left, 0);
}

use std::time::Duration;

use process::{Receipt, Rung, RungReport};

use crate::child::{EXIT_0, PATIENT, shell};

#[tokio::test]
async fn a_child_that_exits_at_once_is_reported_and_can_still_be_stopped() {
    let child = shell("echo so long >&2").await;
    assert_eq!(child.life.exited().await, EXIT_0);
    let receipt = child.life.stop(PATIENT).await;
    let expected = Receipt {
        exit: Some(EXIT_0),
        rungs: vec![RungReport { rung: Rung::ExitedAlone, took: Duration::ZERO }],
        took: receipt.took,
        processes_killed: 0,
        processes_left: 0,
        pipes_leaked: false,
    };
    assert_eq!(receipt, expected);
    assert_eq!(child.life.stderr_tail(), "so long\n");
    assert_eq!(child.life.try_exited(), Some(EXIT_0));
    assert_eq!(child.life.stop(PATIENT).await, receipt, "a later stop returns the same receipt");
}

use process::Rung;

use crate::child::{PATIENT, SIGKILLED, SIGTERMED, lines, next_pid, shell};

#[tokio::test]
async fn a_second_stop_goes_on_to_sigterm_and_both_get_the_receipt() {
    let child = shell("echo $$; exec sleep 1000").await;
    next_pid(&mut lines(child.stdout)).await;
    let (first, second) = tokio::join!(child.life.stop(PATIENT), child.life.stop(PATIENT));
    assert_eq!(first, second);
    assert_eq!(first.exit, Some(SIGTERMED));
    assert_eq!(first.rungs.last().map(|report| report.rung), Some(Rung::Terminated));
}

#[tokio::test]
async fn a_third_stop_kills() {
    let child = shell("trap '' TERM; echo $$; while :; do sleep 1; done").await;
    next_pid(&mut lines(child.stdout)).await;
    let life = child.life;
    let (first, _, third) = tokio::join!(life.stop(PATIENT), life.stop(PATIENT), life.stop(PATIENT));
    assert_eq!(first, third);
    assert_eq!(first.exit, Some(SIGKILLED));
}

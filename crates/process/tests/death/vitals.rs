use std::time::{Duration, Instant};

use process::{Life, Vitals};

use crate::child::{AT_ONCE, PATIENCE, lines, next_pid, shell};

/// The first vitals that are as wanted.
async fn vitals(life: &Life, wanted: impl Fn(&Vitals) -> bool) -> Vitals {
    let start = Instant::now();
    loop {
        let vitals = life.vitals().await.unwrap();
        if wanted(&vitals) {
            return vitals;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain, and saw {vitals:?}");
    }
}

const SOME: Duration = Duration::from_millis(100);

#[tokio::test]
async fn a_child_that_sleeps_uses_memory_and_no_time() {
    let child = shell("echo 1; exec sleep 1000").await;
    next_pid(&mut lines(child.stdout)).await;
    // In the middle of its exec it has no memory of its own.
    let vitals = vitals(&child.life, |vitals| vitals.memory_bytes > 100_000).await;
    assert!(vitals.cpu < SOME, "{vitals:?}");
    assert_eq!((vitals.children_cpu, vitals.children), (Duration::ZERO, 0));
    child.life.stop(AT_ONCE).await;
}

#[tokio::test]
async fn the_time_of_a_child_that_works_is_its_own() {
    let child = shell("while :; do :; done").await;
    let vitals = vitals(&child.life, |vitals| vitals.cpu > SOME).await;
    assert_eq!((vitals.children_cpu, vitals.children), (Duration::ZERO, 0));
    child.life.stop(AT_ONCE).await;
}

#[tokio::test]
async fn descendants_are_counted_wherever_they_are_and_their_time_is_kept_when_they_end() {
    let child = shell("setsid sh -c 'while :; do :; done' & echo $!; wait; exec sleep 1000").await;
    let worker = next_pid(&mut lines(child.stdout)).await;
    let working = vitals(&child.life, |vitals| vitals.children_cpu > SOME).await;
    assert!(working.children == 1 && working.cpu < SOME, "{working:?}");
    let pid = i32::try_from(worker).ok().and_then(rustix::process::Pid::from_raw).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    // One look may meet the parent before it has waited for the worker, and the worker's place after that.
    let is_kept = |vitals: &Vitals| vitals.children == 0 && vitals.children_cpu >= working.children_cpu;
    vitals(&child.life, is_kept).await;
    child.life.stop(AT_ONCE).await;
}

#[tokio::test]
async fn an_ended_child_has_none() {
    let child = shell("exit 0").await;
    child.life.ended().await;
    let error = child.life.vitals().await.unwrap_err();
    assert_eq!(error.to_string(), "the child has ended, so it uses nothing");
}

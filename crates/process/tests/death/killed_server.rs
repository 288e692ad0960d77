use std::time::{Duration, Instant};

use process::{Containment, LeftBehind, Owner, Spec, SweepReport, spawn, sweep};

use crate::child::{AT_ONCE, lines, next_pid, runs, spec, until};
use crate::server_role::Server;

/// Prints the pid of a grandchild in a session of its own, and ends at SIGTERM or not.
fn script(ends_at_sigterm: bool) -> String {
    let trap = if ends_at_sigterm { "" } else { "trap '' TERM; " };
    format!("setsid sleep 1000 & echo $!; {trap}while :; do wait; sleep 0.1; done")
}

#[tokio::test]
async fn what_a_killed_server_leaves_dies_with_it_or_is_swept_at_the_next_start() {
    let owner = Owner::new(&format!("killed-server-{}", std::process::id())).unwrap();
    // A second server of the same name lives: this one.
    let neighbour = spawn(Spec { owner: owner.clone(), ..spec("sh", &["-c", &script(true)]) }).await.unwrap();
    let neighbours_grandchild = next_pid(&mut lines(neighbour.stdout)).await;
    let scripts: Vec<String> = (0..20).map(|number| script(number % 2 == 0)).collect();
    let server = Server::start(&owner, Containment::ProcessTable, &scripts).await;
    let started = server.started.clone();
    assert_eq!(sweep(&owner).await, SweepReport::default(), "nothing is orphaned while the server lives");
    server.kill().await;
    let (ending, staying): (Vec<_>, Vec<_>) =
        started.iter().enumerate().partition(|(index, _)| index % 2 == 0);
    until("the end of children by SIGTERM", || ending.iter().all(|(_, (child, _))| !runs(*child))).await;
    assert!(staying.iter().all(|(_, (child, _))| runs(*child)), "they ignore SIGTERM");

    let start = Instant::now();
    let report = sweep(&owner).await;
    let took = start.elapsed();
    let left: Vec<_> =
        started.iter().filter(|(child, grandchild)| runs(*child) || runs(*grandchild)).collect();
    assert_eq!(left, Vec::<&(u32, u32)>::new());
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!((report.children, report.processes_left), (20, 0));
    assert!(report.processes_killed >= 30, "{report:?}");
    assert!(runs(neighbour.life.pid()) && runs(neighbours_grandchild), "the living server's are not touched");
    neighbour.life.stop(AT_ONCE).await;
}

#[tokio::test]
async fn what_a_process_beside_the_server_has_seen_ends_when_its_parent_is_gone_too() {
    let owner = Owner::new(&format!("beside-server-{}", std::process::id())).unwrap();
    let neighbour = spawn(Spec { owner: owner.clone(), ..spec("sh", &["-c", &script(true)]) }).await.unwrap();
    // Nothing but its parent tells whose the grandchild is.
    let ends_late = "env -i setsid sleep 1000 & echo $!; trap 'sleep 1; exit' TERM; while :; do wait; done";
    let scripts = [ends_late.to_owned(), script(false)];
    let server = Server::start(&owner, Containment::ProcessTable, &scripts).await;
    let name = server.name;
    let [(leaves, hidden), (stays, grandchild)] = server.started[..] else {
        panic!("two children were asked for")
    };
    server.kill().await;
    let mut left = LeftBehind::by(&owner, name);
    assert!(left.lives());
    until("the end of who leaves", || !runs(leaves)).await;
    assert!(left.lives() && runs(hidden) && runs(stays));
    let report = left.end();
    assert_eq!((report.children, report.processes_left), (2, 0));
    assert_eq!([hidden, stays, grandchild].map(runs), [false; 3]);
    assert!(!LeftBehind::by(&owner, name).lives());
    assert!(runs(neighbour.life.pid()), "another server's child is not touched");
    neighbour.life.stop(AT_ONCE).await;
}

#[tokio::test]
async fn the_children_of_another_owner_are_not_swept() {
    let name = |which: &str| Owner::new(&format!("{which}-{}", std::process::id())).unwrap();
    let server = Server::start(&name("one"), Containment::ProcessTable, &[script(false)]).await;
    let [(child, grandchild)] = server.started[..] else { panic!("one child was asked for") };
    // Its server is gone, and still it is not ours.
    server.kill().await;
    assert_eq!(sweep(&name("other")).await, SweepReport::default());
    assert!(runs(child) && runs(grandchild));
    assert_eq!(sweep(&name("one")).await.processes_left, 0);
    assert!(!runs(child) && !runs(grandchild));
}

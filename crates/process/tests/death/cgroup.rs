//! With a control group of its own. These tests have nothing to test where there is no cgroup v2 to use.

use std::fs;

use process::{CgroupLimits, CgroupSpec, Cgroups, Containment, LeftBehind, Owner, Spec, spawn, sweep};
use tokio::io::AsyncReadExt;

use crate::child::{AT_ONCE, EXIT_0, lines, next_pid, runs, shell, spec};
use crate::server_role::Server;

/// Leaves nothing behind to recognise it by: no parent, no session, no environment, no stream.
const ESCAPE: &str = "exec python3 -c \"
import os, sys
reader, writer = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.write(writer, b'%d' % os.getpid())
        os.closerange(0, 100)
        os.execve('/bin/sleep', ['sleep', '1000'], {})
    os._exit(0)
os.wait()
print(os.read(reader, 100).decode(), flush=True)
sys.stdin.read()
\"";

#[expect(clippy::print_stderr, reason = "a test that has nothing to test says so")]
fn groups(owner: &Owner) -> Option<Cgroups> {
    Cgroups::detect(owner).inspect_err(|error| eprintln!("nothing to test: {error}")).ok()
}

fn owner(name: &str) -> Owner {
    Owner::new(&format!("{name}-{}", std::process::id())).unwrap()
}

/// The groups of children that are there.
fn children(groups: &Cgroups) -> usize {
    fs::read_dir(groups.path()).unwrap().flatten().filter(|entry| entry.path().is_dir()).count()
}

#[tokio::test]
async fn a_process_that_left_no_trace_is_killed_with_its_group() {
    let owner = owner("cgroup-kill");
    let Some(groups) = groups(&owner) else { return };
    // More than there are controllers for: the rest is left out.
    let limits = CgroupLimits { memory_bytes: Some(1 << 30), processes: Some(100), cpu_percent: Some(150) };
    let cgroup = Some(CgroupSpec { groups: groups.clone(), limits });
    let child = spawn(Spec { cgroup, owner, ..spec("sh", &["-c", ESCAPE]) }).await.unwrap();
    assert_eq!(child.life.containment(), Containment::Cgroup);
    let escaped = next_pid(&mut lines(child.stdout)).await;
    assert!(runs(escaped));
    assert_eq!(children(&groups), 1);
    drop(child.stdin);
    let receipt = child.life.ended().await;
    assert_eq!((receipt.exit, receipt.processes_killed, receipt.processes_left), (Some(EXIT_0), 1, 0));
    assert!(!runs(escaped));
    assert_eq!(children(&groups), 0);
    fs::remove_dir(groups.path()).unwrap();
}

#[tokio::test]
async fn the_group_is_left_behind_neither_by_a_refused_start_nor_by_groups_within() {
    let owner = owner("cgroup-clean");
    let Some(groups) = groups(&owner) else { return };
    let cgroup = Some(CgroupSpec { groups: groups.clone(), limits: CgroupLimits::default() });
    let wanted =
        |program, args: &[&str]| Spec { cgroup: cgroup.clone(), owner: owner.clone(), ..spec(program, args) };
    assert!(spawn(wanted("/no/such/program", &[])).await.is_err());
    assert_eq!(children(&groups), 0);
    let inner = format!("{}/*/inner", groups.path().display());
    let script =
        format!("mkdir $(dirname {inner})/inner; echo $$ > $(echo {inner})/cgroup.procs; echo $$; read line");
    let child = spawn(wanted("sh", &["-c", &script])).await.unwrap();
    next_pid(&mut lines(child.stdout)).await;
    let receipt = child.life.stop(AT_ONCE).await;
    assert_eq!(receipt.processes_left, 0);
    assert_eq!(children(&groups), 0);
    fs::remove_dir(groups.path()).unwrap();
}

#[tokio::test]
async fn a_group_of_threads_within_hides_nobody() {
    let owner = owner("cgroup-threads");
    let Some(groups) = groups(&owner) else { return };
    let cgroup = Some(CgroupSpec { groups: groups.clone(), limits: CgroupLimits::default() });
    let within = format!("{}/*/", groups.path().display());
    let script = format!(
        "(cd {within} && mkdir threads && echo threaded > threads/cgroup.type && cat threads/cgroup.type)
        sleep 1000 >/dev/null 2>&1 </dev/null & echo $!; read line; exit 0"
    );
    let child = spawn(Spec { cgroup, owner: owner.clone(), ..spec("sh", &["-c", &script]) }).await.unwrap();
    let mut lines = lines(child.stdout);
    assert_eq!(lines.next_line().await.unwrap().unwrap(), "threaded");
    let left = next_pid(&mut lines).await;
    drop(child.stdin);
    let receipt = child.life.ended().await;
    assert_eq!((receipt.exit, receipt.processes_killed, receipt.processes_left), (Some(EXIT_0), 1, 0));
    assert!(!runs(left));
    assert_eq!(children(&groups), 0);
    fs::remove_dir(groups.path()).unwrap();
}

#[tokio::test]
async fn the_groups_of_a_killed_server_are_swept() {
    let owner = owner("cgroup-sweep");
    let Some(groups) = groups(&owner) else { return };
    let server = Server::start(&owner, Containment::Cgroup, &[ESCAPE.to_owned()]).await;
    let [(child, escaped)] = server.started[..] else { panic!("one child was asked for") };
    server.kill().await;
    assert!(runs(escaped));
    assert_eq!(sweep(&owner).await.processes_left, 0);
    assert!(!runs(child) && !runs(escaped));
    assert_eq!(children(&groups), 0);
    fs::remove_dir(groups.path()).unwrap();
}

#[tokio::test]
async fn the_groups_of_a_killed_server_are_ended_by_who_is_beside_it_and_no_others() {
    let owner = owner("cgroup-beside");
    let Some(groups) = groups(&owner) else { return };
    let scripts = [ESCAPE.to_owned()];
    let killed = Server::start(&owner, Containment::Cgroup, &scripts).await;
    let successor = Server::start(&owner, Containment::Cgroup, &scripts).await;
    let name = killed.name;
    let [(child, escaped)] = killed.started[..] else { panic!("one child was asked for") };
    let [(new_child, new_escaped)] = successor.started[..] else { panic!("one child was asked for") };
    killed.kill().await;
    let mut left = LeftBehind::by(&owner, name);
    assert!(left.lives());
    assert_eq!(left.end().processes_left, 0);
    assert_eq!([child, escaped, new_child, new_escaped].map(runs), [false, false, true, true]);
    assert_eq!(children(&groups), 1);
    let name = successor.name;
    successor.kill().await;
    LeftBehind::by(&owner, name).end();
    assert_eq!(children(&groups), 0);
    fs::remove_dir(groups.path()).unwrap();
}

#[tokio::test]
async fn without_a_group_the_process_table_is_what_there_is() {
    let mut child = shell("echo here").await;
    assert_eq!(child.life.containment(), Containment::ProcessTable);
    let mut text = String::new();
    child.stdout.read_to_string(&mut text).await.unwrap();
    assert_eq!(child.life.ended().await.exit, Some(EXIT_0));
}

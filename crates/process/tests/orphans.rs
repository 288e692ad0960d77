//! Adopting orphans changes the whole process, so it is tested in a process of its own, in one test.

use std::time::Duration;

use process::{Ladder, Limits, Owner, Spec, adopt_orphans, spawn};
use tokio::io::{AsyncBufReadExt, BufReader};

/// Starts a process in a session of its own, and loses it: its parent ends at once. Then does the same with one
/// that nothing leads to: no marker, no stream.
const LOSES_TWO: &str = "
(setsid sh -c 'echo $$; read line < \"$0\"' \"$1\" &)
(exec env -i setsid sh -c 'echo $$; exec sleep 1000 >/dev/null 2>&1 </dev/null' &)
read line
";

#[tokio::test]
async fn orphans_are_adopted_reaped_and_counted_and_other_children_left_alone() {
    let orphans = adopt_orphans().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let gate = folder.path().join("gate");
    assert!(std::process::Command::new("mkfifo").arg(&gate).status().unwrap().success());

    // A child of somebody else in this process: a zombie in our session until they wait for it.
    let mut foreign = std::process::Command::new("true").env_clear().spawn().unwrap();

    let env = vec![("PATH".into(), "/usr/bin:/bin".into())];
    let child = spawn(Spec {
        program: "sh".into(),
        args: ["-c".as_ref(), LOSES_TWO.as_ref(), "sh".as_ref(), gate.as_os_str()].map(Into::into).to_vec(),
        env,
        cwd: "/".into(),
        owner: Owner::new("orphans").unwrap(),
        limits: Limits::default(),
        cgroup: None,
    })
    .await
    .unwrap();
    let mut lines = BufReader::new(child.stdout).lines();
    for _ in 0..2 {
        let pid: u32 = lines.next_line().await.unwrap().unwrap().parse().unwrap();
        until(async || parent_of(pid) == Some(std::process::id())).await;
    }
    assert_eq!((orphans.living().await.unwrap(), orphans.reaped()), (2, 0));

    // The first ends by itself, and is reaped.
    std::fs::write(&gate, "end\n").unwrap();
    until(async || orphans.reaped() == 1).await;
    assert_eq!(orphans.living().await.unwrap(), 1);

    // The second cannot be told to be the child's, but the last of the house.
    let at_once = Ladder { exit_grace: Duration::ZERO, term_grace: Duration::ZERO };
    assert_eq!(child.life.stop(at_once).await.processes_left, 0);
    let report = orphans.end().await.unwrap();
    assert_eq!((report.processes_killed, report.processes_left), (1, 0));
    assert!(foreign.wait().unwrap().success(), "nobody else took its exit");
}

/// Field 4 of `/proc/<pid>/stat`.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

async fn until(condition: impl AsyncFn() -> bool) {
    let in_time = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(30), in_time).await.is_ok());
}

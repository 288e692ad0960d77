//! What runs outside of a child's control group, while orphans are adopted, which changes the whole process: in a process
//! of its own, in one test.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test that calls it")]

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use process::{
    CgroupLimits, CgroupSpec, Cgroups, Child, Limits, MARKER_VARIABLE, Owner, Spec, adopt_orphans, spawn,
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

/// Starts a process in another group and another session, and loses it: its parent ends at once.
const LEAVES: &str = "
mkdir \"$0\"
(setsid sh -c 'echo $$ > \"$0\"/cgroup.procs; echo $$; exec sleep 1000 >/dev/null 2>&1 </dev/null' \"$0\" &)
read line
";

struct Place {
    owner: Owner,
    groups: Cgroups,
}

impl Place {
    async fn child(&self, script: &str, argument: &Path) -> Child {
        spawn(Spec {
            program: "sh".into(),
            args: ["-c".as_ref(), script.as_ref(), argument.as_os_str()].map(Into::into).to_vec(),
            env: vec![("PATH".into(), "/usr/bin:/bin".into())],
            cwd: "/".into(),
            owner: self.owner.clone(),
            limits: Limits::default(),
            cgroup: Some(CgroupSpec { groups: self.groups.clone(), limits: CgroupLimits::default() }),
        })
        .await
        .unwrap()
    }

    async fn what_left_group_and_session_ends_with_the_child(&self) {
        let elsewhere = self.groups.path().join("elsewhere");
        let child = self.child(LEAVES, &elsewhere).await;
        let left = BufReader::new(child.stdout).lines().next_line().await.unwrap().unwrap();
        assert_eq!(fs::read_to_string(elsewhere.join("cgroup.procs")).unwrap().trim(), left);
        drop(child.stdin);
        let receipt = child.life.ended().await;
        assert_eq!((receipt.processes_killed, receipt.processes_left), (1, 0));
        assert_eq!(fs::read_to_string(elsewhere.join("cgroup.procs")).unwrap(), "");
        fs::remove_dir(elsewhere).unwrap();
    }

    async fn what_a_daemon_started_with_its_marker_is_ended_soon_after_and_the_daemon_is_not(&self) {
        // In a session of its own, as a daemon is, and older than the child.
        let mut daemon = Command::new("/usr/bin/setsid")
            .args([
                "sh",
                "-c",
                "read mark; env \"$mark\" sh -c 'echo runs; exec sleep 60'; echo $?; read line",
            ])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut orders = daemon.stdin.take().unwrap();
        let mut lines = BufReader::new(daemon.stdout.take().unwrap()).lines();
        a_tick_passes().await;
        let child = self.child(&format!("echo ${MARKER_VARIABLE}; read line"), Path::new("sh")).await;
        let marker = BufReader::new(child.stdout).lines().next_line().await.unwrap().unwrap();
        orders.write_all(format!("{MARKER_VARIABLE}={marker}\n").as_bytes()).await.unwrap();
        assert_eq!(lines.next_line().await.unwrap().unwrap(), "runs");
        drop(child.stdin);
        assert_eq!(child.life.ended().await.processes_left, 0);
        assert_eq!(lines.next_line().await.unwrap().unwrap(), "137");
        // It goes on until it is told to end.
        orders.write_all(b"end\n").await.unwrap();
        assert_eq!(lines.next_line().await.unwrap(), None);
    }
}

/// What starts afterwards is younger than what was started before, by the clock of the process table.
async fn a_tick_passes() {
    let now = || fs::read_to_string("/proc/uptime").unwrap();
    let before = now();
    while now() == before {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn nothing_outlives_a_child_outside_of_its_group() {
    let _orphans = adopt_orphans().unwrap();
    let owner = Owner::new(&format!("left-group-{}", std::process::id())).unwrap();
    let groups = match Cgroups::detect(&owner) {
        Ok(groups) => groups,
        Err(error) => return eprintln!("nothing to test: {error}"),
    };
    let place = Place { owner, groups };
    place.what_left_group_and_session_ends_with_the_child().await;
    place.what_a_daemon_started_with_its_marker_is_ended_soon_after_and_the_daemon_is_not().await;
    fs::remove_dir(place.groups.path()).unwrap();
}

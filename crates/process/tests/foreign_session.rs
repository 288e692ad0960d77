//! A server whose session was begun outside of its pid namespace, as by `docker exec`: the kernel shows that session
//! as 0, which is the number of no process.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test that calls it")]

use std::process::{Command, Output};
use std::time::Duration;

use process::{Ladder, Limits, Owner, Spec, adopt_orphans, spawn};
use tokio::io::{AsyncBufReadExt, BufReader};

const ROLE: &str = "FOREIGN_SESSION_ROLE";
/// A daemon that only the child's stdout leads to, and one that nothing leads to.
const LOSES_TWO: &str = "
(exec env -i setsid sh -c 'echo $$; exec sleep 1000 2>/dev/null </dev/null' &)
(exec env -i setsid sh -c 'echo $$; exec sleep 1001 >/dev/null 2>&1 </dev/null' &)
read line
";

fn in_a_namespace(program: &std::path::Path, arguments: &[&str]) -> Output {
    let mut unshare = Command::new("unshare");
    // Whoever is not root needs a user namespace for it.
    if !rustix::process::geteuid().is_root() {
        unshare.args(["--user", "--map-root-user"]);
    }
    unshare.args(["--pid", "--fork", "--mount-proc", "--kill-child", "--"]).arg(program).args(arguments);
    unshare.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env(ROLE, "server").output().unwrap()
}

#[test]
fn trees_and_orphans_end_all_the_same() {
    let probe = in_a_namespace("cut".as_ref(), &["-d ", "-f6", "/proc/self/stat"]);
    if !probe.status.success() {
        eprintln!("nothing to test: {}", String::from_utf8_lossy(&probe.stderr));
        return;
    }
    assert_eq!(probe.stdout, b"0\n", "the session is shown as 0");
    let this = std::env::current_exe().unwrap();
    let output = in_a_namespace(&this, &["--exact", "plays_the_server", "--nocapture"]);
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{output:?}");
}

/// Not a test by itself: does nothing unless it is started by the other one.
#[test]
fn plays_the_server() {
    if std::env::var(ROLE).is_ok() {
        serve();
    }
}

/// Whether a daemon has become what it says, and so has let go of the streams that it does not keep.
fn is_detached(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "sleep\n")
}

#[tokio::main]
async fn serve() {
    let orphans = adopt_orphans().unwrap();
    let child = spawn(Spec {
        program: "sh".into(),
        args: vec!["-c".into(), LOSES_TWO.into()],
        env: vec![("PATH".into(), "/usr/bin:/bin".into())],
        cwd: "/".into(),
        owner: Owner::new("foreign-session").unwrap(),
        limits: Limits::default(),
        cgroup: None,
    })
    .await
    .unwrap();
    let mut lines = BufReader::new(child.stdout).lines();
    let mut daemons = Vec::new();
    for _ in 0..2 {
        daemons.push(lines.next_line().await.unwrap().unwrap());
    }
    let adopted = async {
        while orphans.living().await.unwrap() < 2 || !daemons.iter().all(|pid| is_detached(pid)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), adopted).await.unwrap();
    drop(child.stdin);
    let receipt =
        child.life.stop(Ladder { exit_grace: Duration::from_secs(30), term_grace: Duration::ZERO }).await;
    assert_eq!((receipt.processes_killed, receipt.processes_left), (1, 0));
    let report = orphans.end().await.unwrap();
    assert_eq!((report.processes_killed, report.processes_left), (1, 0));
}

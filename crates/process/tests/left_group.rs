//! What leaves its control group, while orphans are adopted, which changes the whole process: in a process of its own.

use std::fs;

use process::{CgroupLimits, CgroupSpec, Cgroups, Limits, Owner, Spec, adopt_orphans, spawn};
use tokio::io::{AsyncBufReadExt, BufReader};

/// Starts a process in another group and another session, and loses it: its parent ends at once.
const LEAVES: &str = "
mkdir \"$0\"
(setsid sh -c 'echo $$ > \"$0\"/cgroup.procs; echo $$; exec sleep 1000 >/dev/null 2>&1 </dev/null' \"$0\" &)
read line
";

#[tokio::test]
async fn what_left_its_group_and_its_session_ends_with_the_child() {
    let _orphans = adopt_orphans().unwrap();
    let owner = Owner::new(&format!("left-group-{}", std::process::id())).unwrap();
    let groups = match Cgroups::detect(&owner) {
        Ok(groups) => groups,
        Err(error) => return eprintln!("nothing to test: {error}"),
    };
    let elsewhere = groups.path().join("elsewhere");
    let child = spawn(Spec {
        program: "sh".into(),
        args: ["-c".as_ref(), LEAVES.as_ref(), elsewhere.as_os_str()].map(Into::into).to_vec(),
        env: vec![("PATH".into(), "/usr/bin:/bin".into())],
        cwd: "/".into(),
        owner,
        limits: Limits::default(),
        cgroup: Some(CgroupSpec { groups: groups.clone(), limits: CgroupLimits::default() }),
    })
    .await
    .unwrap();
    let left = BufReader::new(child.stdout).lines().next_line().await.unwrap().unwrap();
    assert_eq!(fs::read_to_string(elsewhere.join("cgroup.procs")).unwrap().trim(), left);
    drop(child.stdin);
    let receipt = child.life.ended().await;
    assert_eq!((receipt.processes_killed, receipt.processes_left), (1, 0));
    assert_eq!(fs::read_to_string(elsewhere.join("cgroup.procs")).unwrap(), "");
    fs::remove_dir(elsewhere).unwrap();
    fs::remove_dir(groups.path()).unwrap();
}

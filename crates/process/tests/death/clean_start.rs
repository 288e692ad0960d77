//! What a child begins with: nothing but what its spec says.

use std::os::fd::AsRawFd;

use process::{Child, Limits, MARKER_VARIABLE, Spec, spawn};
use tokio::io::AsyncReadExt;

use crate::child::{PATIENT, shell, spec};

async fn output(mut child: Child) -> String {
    let mut text = String::new();
    child.stdout.read_to_string(&mut text).await.unwrap();
    child.life.stop(PATIENT).await;
    text
}

#[tokio::test]
async fn the_environment_is_exactly_the_given_one_and_the_marker() {
    let env = vec![("A".into(), "1".into()), (MARKER_VARIABLE.into(), "forged".into())];
    let child = spawn(Spec { env, ..spec("/usr/bin/env", &[]) }).await.unwrap();
    let text = output(child).await;
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    let [a, marker] = lines[..] else { panic!("{text}") };
    assert_eq!(a, "A=1");
    let server = std::process::id().to_string();
    let value = marker.strip_prefix("AGENT_PROCESS_OWNER=death-suite/").unwrap();
    let parts: Vec<&str> = value.split('-').collect();
    assert_eq!((parts.len(), parts[1]), (4, server.as_str()));
}

#[tokio::test]
async fn a_child_leads_its_own_session_and_group() {
    let child = shell("cut -d' ' -f1,5,6 /proc/$$/stat").await;
    let pid = child.life.pid();
    assert_eq!(output(child).await, format!("{pid} {pid} {pid}\n"));
}

#[tokio::test]
async fn descriptors_of_the_server_are_not_inherited_even_if_they_say_so() {
    let file = tempfile::tempfile().unwrap();
    rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty()).unwrap();
    assert!(file.as_raw_fd() > 2);
    // The shell's `ls` holds one for the directory it lists.
    assert_eq!(output(shell("ls /proc/self/fd").await).await, "0\n1\n2\n3\n");
}

#[tokio::test]
async fn no_signal_is_blocked_or_ignored() {
    let child = spawn(spec("/bin/grep", &["-E", "Sig(Blk|Ign)", "/proc/self/status"])).await.unwrap();
    assert_eq!(output(child).await, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

#[tokio::test]
async fn limits_are_in_force() {
    let limits = Limits { open_files: Some(77), core_bytes: Some(0), ..Limits::default() };
    let limited = Spec { limits, ..spec("sh", &["-c", "ulimit -n; ulimit -H -n; ulimit -c"]) };
    assert_eq!(output(spawn(limited).await.unwrap()).await, "77\n77\n0\n");
    let limits = Limits { address_space_bytes: Some(64 << 20), ..Limits::default() };
    let script = "try:\n  bytearray(1 << 30)\nexcept MemoryError:\n  print('refused')";
    let limited = Spec { limits, ..spec("/usr/bin/python3", &["-c", script]) };
    assert_eq!(output(spawn(limited).await.unwrap()).await, "refused\n");
}

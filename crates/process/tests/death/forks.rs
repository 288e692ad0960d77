use crate::child::{AT_ONCE, lines, next_pid, python, runs};

/// Fifty processes in sessions of their own, each of which forks again and again while it is being killed.
const FORKS: &str = "
import os, time
for _ in range(50):
    if os.fork() == 0:
        os.setsid()
        os.write(1, b'%d\\n' % os.getpid())
        while True:
            if os.fork() == 0:
                os.setsid()
                time.sleep(0.2)
                os._exit(0)
            time.sleep(0.01)
            try:
                os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                pass
time.sleep(1000)
";

#[tokio::test]
async fn a_tree_that_forks_while_it_is_killed_is_killed_to_zero() {
    let child = python(FORKS).await;
    let mut lines = lines(child.stdout);
    let mut pids = Vec::new();
    for _ in 0..50 {
        pids.push(next_pid(&mut lines).await);
    }
    let receipt = child.life.stop(AT_ONCE).await;
    assert_eq!((receipt.processes_left, receipt.pipes_leaked), (0, false));
    assert!(receipt.processes_killed >= 50, "{receipt:?}");
    let left: Vec<u32> = pids.into_iter().filter(|&pid| runs(pid)).collect();
    assert_eq!(left, []);
    // All writers being gone, the end of the file comes.
    while lines.next_line().await.unwrap().is_some() {}
}

use crate::child::{lines, next_pid, runs, shell, until};

#[tokio::test]
async fn dropping_the_last_handle_kills_the_whole_tree() {
    let child = shell("setsid sh -c 'echo $$; sleep 1000' & wait").await;
    let pid = child.life.pid();
    let grandchild = next_pid(&mut lines(child.stdout)).await;
    let other = child.life.clone();
    drop(child.life);
    assert!(runs(pid) && runs(grandchild), "one handle is left");
    drop(other);
    until("the tree to be gone", || !runs(pid) && !runs(grandchild)).await;
}

#[test]
fn the_end_of_the_runtime_kills_the_whole_tree() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (child, grandchild) = runtime.block_on(async {
        let mut child = shell("setsid sh -c 'echo $$; sleep 1000' & wait").await;
        let mut lines = tokio::io::BufReader::new(&mut child.stdout);
        let mut line = String::new();
        tokio::io::AsyncBufReadExt::read_line(&mut lines, &mut line).await.unwrap();
        (child, line.trim().parse().unwrap())
    });
    drop(runtime);
    assert!(!runs(child.life.pid()) && !runs(grandchild));
}

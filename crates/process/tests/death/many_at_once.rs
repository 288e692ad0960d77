use std::collections::HashSet;

use tokio::task::JoinSet;

use crate::child::{EXIT_0, lines, next_pid, shell};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn children_started_at_the_same_time_do_not_hold_each_others_pipes() {
    let mut starting = JoinSet::new();
    for _ in 0..50 {
        starting.spawn(async {
            let child = shell("echo $$; while read line; do :; done").await;
            let mut lines = lines(child.stdout);
            assert_eq!(next_pid(&mut lines).await, child.life.pid());
            // The end of its stdin reaches the child only if nobody else holds the pipe.
            drop(child.stdin);
            let receipt = child.life.ended().await;
            assert_eq!((receipt.exit, receipt.pipes_leaked), (Some(EXIT_0), false));
            assert_eq!(lines.next_line().await.unwrap(), None);
            child.life.pid()
        });
    }
    let pids: HashSet<u32> = starting.join_all().await.into_iter().collect();
    assert_eq!(pids.len(), 50);
}

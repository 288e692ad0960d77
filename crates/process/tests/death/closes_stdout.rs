use tokio::io::AsyncReadExt;

use crate::child::{SIGTERMED, python};

const CLOSES: &str = "
import os, time
os.write(1, b'last words')
os.close(1)
time.sleep(1000)
";

#[tokio::test]
async fn a_child_that_closes_stdout_early_is_not_taken_for_ended() {
    let mut child = python(CLOSES).await;
    let mut text = String::new();
    child.stdout.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "last words");
    assert_eq!(child.life.try_exited(), None);
    let ladder = process::Ladder { exit_grace: std::time::Duration::ZERO, ..crate::child::PATIENT };
    assert_eq!(child.life.stop(ladder).await.exit, Some(SIGTERMED));
}

use tokio::io::AsyncReadExt;

use crate::child::{EXIT_0, python};

const LINE_BYTES: usize = 100 << 20;

#[tokio::test]
async fn a_line_of_100_mib_is_read_through() {
    let mut child = python("print('y' * (100 << 20), flush=True)").await;
    let mut line = Vec::with_capacity(LINE_BYTES + 1);
    child.stdout.read_to_end(&mut line).await.unwrap();
    assert_eq!((line.len(), line.pop()), (LINE_BYTES + 1, Some(b'\n')));
    assert!(line.iter().all(|&byte| byte == b'y'));
    assert_eq!(child.life.exited().await, EXIT_0);
}

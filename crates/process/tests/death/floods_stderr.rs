use process::STDERR_TAIL_BYTES;

use crate::child::{EXIT_0, python};

const FLOOD: &str = "
import sys
line = 'x' * 999 + '\\n'
for _ in range(100_000):
    sys.stderr.write(line)
sys.stderr.write('the end\\n')
";

#[tokio::test]
async fn a_flood_of_stderr_blocks_nobody_and_only_its_end_is_kept() {
    let child = python(FLOOD).await;
    let receipt = child.life.ended().await;
    assert_eq!(receipt.exit, Some(EXIT_0));
    let whole_lines = (STDERR_TAIL_BYTES - "the end\n".len()) / 1000;
    let expected = format!("{}the end\n", format!("{}\n", "x".repeat(999)).repeat(whole_lines));
    assert!(child.life.stderr_tail() == expected, "{} bytes", child.life.stderr_tail().len());
}

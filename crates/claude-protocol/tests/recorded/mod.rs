//! Recorded output of the real CLI 2.1.330: long texts, long lists and repeated lines are cut.

use std::path::Path;

/// Every recorded run: its name, and the lines that the CLI wrote.
pub(crate) fn runs() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let read = |file: std::io::Result<std::fs::DirEntry>| {
        let path = file.expect("a file").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        (name, std::fs::read_to_string(path).expect("text"))
    };
    let mut runs: Vec<_> = std::fs::read_dir(folder).expect("the recorded runs").map(read).collect();
    runs.sort();
    runs
}

//! Finds another package's program. Cargo tells only a package's own tests where its programs are.

use std::path::{Path, PathBuf};

/// The folder that this profile's programs are built into.
pub(crate) fn profile_folder() -> PathBuf {
    let this = std::env::current_exe().expect("a path");
    // Tests are in `deps`, examples in `examples`, below the profile's folder; programs are in it.
    let mut folders = this.ancestors().skip(1);
    let profile = folders.find(|folder| !folder.ends_with("deps") && !folder.ends_with("examples"));
    profile.map(Path::to_owned).expect("a folder")
}

/// The server's program, of the same profile as this one. It takes long to build, so it has to be there: `cargo test --workspace`
/// builds it first.
pub fn server_program() -> PathBuf {
    let program = profile_folder().join("claude-code-server");
    assert!(
        program.is_file(),
        "{} is not there: run `cargo build -p claude-code-server` first",
        program.display()
    );
    program
}

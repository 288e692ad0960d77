//! Finds the stub agent, or builds it: Cargo builds a package's own programs for its tests, but not another package's.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

use crate::program::profile_folder;

/// The stub agent's program, of the same profile as this one. Built when it is missing or older than its source.
pub fn stub_agent() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(find_or_build).clone()
}

fn find_or_build() -> PathBuf {
    let profile = profile_folder();
    let program = profile.join("stub-agent");
    if changed(&program) < newest(&Path::new(env!("CARGO_MANIFEST_DIR")).join("stub-agent/src")) {
        build(&profile);
    }
    program
}

fn build(profile: &Path) {
    let name = match profile.file_name().and_then(|name| name.to_str()).expect("a profile") {
        "debug" => "dev",
        name => name,
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--package", "stub-agent", "--profile", name, "--target-dir"])
        .arg(profile.parent().expect("a target folder"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .expect("cargo");
    assert!(status.success(), "the stub agent could not be built: run `cargo build -p stub-agent`");
}

/// When a file was last written; `None`, which is before all times, when it is not there.
fn changed(file: &Path) -> Option<SystemTime> {
    file.metadata().and_then(|metadata| metadata.modified()).ok()
}

fn newest(folder: &Path) -> Option<SystemTime> {
    let files = std::fs::read_dir(folder).expect("the stub agent's source");
    files.filter_map(|file| changed(&file.ok()?.path())).max()
}

//! The programs in `examples/` run, with the real CLI and the scripted model.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test that calls it")]

use std::path::Path;
use std::process::Command;

use scripted_model::{Options, ScriptedModel};
use tempfile::TempDir;

/// Cargo builds the examples with the tests, beside the folder of the test binaries.
fn example(name: &str) -> std::path::PathBuf {
    let this = std::env::current_exe().unwrap();
    let program = this.parent().and_then(Path::parent).unwrap().join("examples").join(name);
    assert!(program.exists(), "{} is not built: run `cargo test -p agent`", program.display());
    program
}

/// Runs an example in a new folder; gives the folder and what it printed.
async fn run(name: &'static str) -> (TempDir, String) {
    let model = ScriptedModel::start(Options::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let work = folder.path().join("work");
    std::fs::create_dir(&work).unwrap();
    let mut command = Command::new(example(name));
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("ANTHROPIC_API_KEY", "dummy-key")
        .env("ANTHROPIC_BASE_URL", model.base_url())
        .env("EXAMPLE_DATA_DIR", folder.path().join("data"))
        .current_dir(&work);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
    (folder, String::from_utf8(output.stdout).unwrap())
}

#[tokio::test]
async fn one_shot() {
    let (folder, output) = run("one_shot").await;
    assert!(folder.path().join("work/hello.txt").exists(), "{output}");
    assert!(output.contains("Completed for $") && output.ends_with("0 processes left\n"), "{output}");
}

#[tokio::test]
async fn conversation() {
    let (_folder, output) = run("conversation").await;
    let last = output.lines().last().unwrap();
    assert!(last.starts_with("resumed: ") && last.contains("Ada") && last.contains("engines"), "{output}");
}

#[tokio::test]
async fn permissions() {
    let (folder, output) = run("permissions").await;
    assert!(output.contains("refused: Write: only open.txt and edited.txt may be written"), "{output}");
    assert!(output.ends_with("edited.txt: approved text\n"), "{output}");
    assert!(!folder.path().join("work/secret.txt").exists());
}

#[tokio::test]
async fn hooks() {
    let (_folder, output) = run("hooks").await;
    assert!(output.contains("audit: \"Bash\" \"echo fine\""), "{output}");
    assert!(output.contains("nothing is removed here"), "{output}");
    assert!(!output.contains("audit: \"Bash\" \"rm"), "{output}");
}

#[tokio::test]
async fn mcp_tool() {
    let (_folder, output) = run("mcp_tool").await;
    assert!(output.contains("result: mcp__weather__weather: it rains in Bergen"), "{output}");
    assert!(output.ends_with("Completed\n"), "{output}");
}

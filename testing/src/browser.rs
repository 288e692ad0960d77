//! A real Chromium.

use std::path::PathBuf;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

/// Beyond that it hangs.
const WITHIN: Duration = Duration::from_secs(90);
/// How much time a page gets for its scripts, in milliseconds of its own clock.
const PAGE_TIME_MS: u32 = 20_000;

fn chromium() -> PathBuf {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut programs = std::env::split_paths(&folders)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .filter(|path| path.is_file());
    programs.next().expect("Chromium is not installed: sudo apt-get install chromium")
}

/// A page as the browser has it once its scripts have run. Nothing but this machine can be reached.
pub async fn rendered(url: &str) -> String {
    let profile = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(chromium());
    command
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-dev-shm-usage",
        ])
        .arg("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--virtual-time-budget={PAGE_TIME_MS}"))
        .args(["--dump-dom", url])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", profile.path())
        .kill_on_drop(true);
    let output = timeout(WITHIN, command.output()).await.expect("a page in time").expect("a browser");
    let page = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    page
}

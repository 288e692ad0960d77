//! This test binary, started once more in the role of a server that is killed.

use std::fs;
use std::future::pending;
use std::path::Path;
use std::process::Stdio;

use process::{CgroupLimits, CgroupSpec, Cgroups, Containment, Owner, ServerName, Spec, spawn};
use tokio::process::{Child, Command};

use crate::child::{lines, next_pid, spec, until};

const OWNER: &str = "DEATH_SUITE_OWNER";
const SCRIPTS: &str = "DEATH_SUITE_SCRIPTS";
const PIDS: &str = "DEATH_SUITE_PIDS";
const GROUPED: &str = "DEATH_SUITE_GROUPED";
/// Between scripts: a script may have several lines.
const SEPARATOR: &str = "\u{1e}";

/// Not a test by itself: does nothing unless it is started by [`Server::start`].
#[test]
fn plays_a_server() {
    if let (Ok(owner), Ok(scripts), Ok(pids)) =
        (std::env::var(OWNER), std::env::var(SCRIPTS), std::env::var(PIDS))
    {
        serve(&Owner::new(&owner).unwrap(), &scripts, Path::new(&pids));
    }
}

/// Starts a shell for each of `scripts`, writes down its own name, each shell's pid and the pid that it prints, and waits.
#[tokio::main]
async fn serve(owner: &Owner, scripts: &str, pids: &Path) {
    let cgroups = std::env::var(GROUPED).is_ok().then(|| Cgroups::detect(owner).unwrap());
    let (mut children, mut text) = (Vec::new(), format!("{}\n", ServerName::this().unwrap()));
    for script in scripts.split(SEPARATOR) {
        let cgroup = cgroups.clone().map(|groups| CgroupSpec { groups, limits: CgroupLimits::default() });
        let spec = Spec { owner: owner.clone(), cgroup, ..spec("sh", &["-c", script]) };
        let child = spawn(spec).await.unwrap();
        let mut lines = lines(child.stdout);
        text += &format!("{} {}\n", child.life.pid(), next_pid(&mut lines).await);
        children.push((child.life, child.stdin, lines));
    }
    let new = pids.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(new, pids).unwrap();
    pending::<()>().await;
}

/// The server process, and what it started.
pub(crate) struct Server {
    process: Child,
    pub(crate) name: ServerName,
    /// Each child's pid, and the pid it printed.
    pub(crate) started: Vec<(u32, u32)>,
}

impl Server {
    /// Starts a server that starts a shell for each of `scripts`.
    pub(crate) async fn start(owner: &Owner, containment: Containment, scripts: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pids = folder.path().join("pids");
        let process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "server_role::plays_a_server"])
            .env_clear()
            .env(OWNER, owner.name())
            .env(SCRIPTS, scripts.join(SEPARATOR))
            .env(PIDS, &pids)
            .envs((containment == Containment::Cgroup).then_some((GROUPED, "1")))
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        until("the server's children", || pids.exists()).await;
        let number = |text: &str| text.parse::<u32>().unwrap();
        let text = fs::read_to_string(&pids).unwrap();
        let (name, text) = text.split_once('\n').unwrap();
        let pairs = text.lines().map(|line| line.split_once(' ').unwrap());
        let started = pairs.map(|(child, other)| (number(child), number(other))).collect();
        Self { process, name: ServerName::parse(name).unwrap(), started }
    }

    /// Kills it as the kernel does when memory is short.
    pub(crate) async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }
}

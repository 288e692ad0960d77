//! The one thread that forks. The kernel sends the parent-death signal when the forking *thread* ends, and
//! threads of the runtime come and go; this one stays as long as the process.

use std::fs::File;
use std::io;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};

use crate::cgroup::Group;
use crate::owner::{MARKER_VARIABLE, Marker, Server};
use crate::pipe_probe::PipeProbe;
use crate::root::Root;
use crate::spawn::{SpawnError, explain};
use crate::{CgroupSpec, Spec, fork, own_children};

/// Orders that wait for the thread; more callers wait for room.
const QUEUE: usize = 64;

/// A child fresh from exec. Dropping it kills it.
pub(crate) struct Newborn {
    pub(crate) root: Root,
    pub(crate) stdin: ChildStdin,
    pub(crate) stdout: ChildStdout,
    pub(crate) stderr: ChildStderr,
}

struct Order {
    spec: Spec,
    reply: oneshot::Sender<Result<Newborn, SpawnError>>,
}

/// Has the child forked and waits until it runs the program. Cancel-safe: a child nobody waits for is killed.
pub(crate) async fn order(spec: Spec) -> Result<Newborn, SpawnError> {
    let (reply, answer) = oneshot::channel();
    let lost = || SpawnError::Os(io::Error::other("the spawning thread has ended"));
    thread()?.send(Order { spec, reply }).await.map_err(|_| lost())?;
    answer.await.map_err(|_| lost())?
}

/// The thread's inbox; the thread is started on first use.
fn thread() -> Result<mpsc::Sender<Order>, SpawnError> {
    static INBOX: Mutex<Option<mpsc::Sender<Order>>> = Mutex::new(None);
    let mut inbox = INBOX.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(sender) = inbox.as_ref() {
        return Ok(sender.clone());
    }
    let (sender, mut orders) = mpsc::channel::<Order>(QUEUE);
    let serve = move || {
        while let Some(Order { spec, reply }) = orders.blocking_recv() {
            // A refused answer is dropped, and a child in it killed.
            drop(reply.send(give_birth(&spec)));
        }
    };
    std::thread::Builder::new().name("process-spawner".to_owned()).spawn(serve).map_err(SpawnError::Os)?;
    Ok(inbox.insert(sender).clone())
}

fn give_birth(spec: &Spec) -> Result<Newborn, SpawnError> {
    let no_proc = || SpawnError::Os(io::Error::new(io::ErrorKind::NotFound, "cannot read /proc, mount it"));
    let marker = Marker::next(spec.owner.clone(), Server::this().ok_or_else(no_proc)?);
    let (group, door) = open_group(spec, &marker).unzip();
    let mut command = command(spec, &marker);
    fork::prepare(&mut command, &spec.limits, door);
    // Held until the child is registered, or its end could be taken for that of an adopted orphan.
    let mut own = own_children::lock();
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            if let Some(group) = group {
                leave(&group);
            }
            return Err(explain(spec, error));
        }
    };
    own.insert(child.id());
    let group = group.filter(|group| has_joined(group, child.id()));
    adopt(&mut child, marker, group).map_err(|error| {
        if let Err(error) = child.kill().and_then(|()| child.wait()) {
            tracing::error!(pid = child.id(), %error, "cannot kill a child that cannot be watched");
        }
        own.remove(&child.id());
        SpawnError::Os(error)
    })
}

fn command(spec: &Spec, marker: &Marker) -> Command {
    let mut command = Command::new(&spec.program);
    command.args(&spec.args).current_dir(&spec.cwd);
    command.env_clear().envs(spec.env.iter().map(|(name, value)| (name, value)));
    command.env(MARKER_VARIABLE, marker.to_string());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Takes the new child into our own hands: from here on only its [`Root`] waits for it.
fn adopt(child: &mut Child, marker: Marker, group: Option<Group>) -> io::Result<Newborn> {
    let no_pipes = || io::Error::other("the child has no pipes");
    let stdin = child.stdin.take().ok_or_else(no_pipes)?;
    let stdout = child.stdout.take().ok_or_else(no_pipes)?;
    let stderr = child.stderr.take().ok_or_else(no_pipes)?;
    let pipes = [PipeProbe::of(&stdout)?, PipeProbe::of(&stderr)?];
    let root = Root::new(child.id(), marker, group, pipes)?;
    Ok(Newborn { root, stdin, stdout, stderr })
}

/// The group the child is to join, and its door. Without one the child is started all the same.
fn open_group(spec: &Spec, marker: &Marker) -> Option<(Group, File)> {
    let CgroupSpec { groups, limits } = spec.cgroup.as_ref()?;
    let group = groups.create(&marker.child(), limits);
    let opened = group.and_then(|group| match group.door() {
        Ok(door) => Ok((group, door)),
        Err(error) => {
            leave(&group);
            Err(error)
        }
    });
    opened
        .inspect_err(
            |error| tracing::warn!(?groups, %error, "cannot give a child a cgroup, starting it without"),
        )
        .ok()
}

fn has_joined(group: &Group, pid: u32) -> bool {
    let joined = group.members().is_ok_and(|members| members.contains(&pid));
    if !joined {
        tracing::warn!(pid, ?group, "a child did not get into its cgroup");
        leave(group);
    }
    joined
}

fn leave(group: &Group) {
    if let Err(error) = group.remove() {
        tracing::warn!(?group, %error, "cannot remove an empty cgroup");
    }
}

//! The one thread that forks. The kernel sends the parent-death signal when the forking *thread* ends, and
//! threads of the runtime come and go; this one stays as long as the process.

use std::fs::File;
use std::io;
use std::process::{ChildStderr, ChildStdin, ChildStdout};
use std::sync::{Mutex, PoisonError};

use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, waitpid};
use tokio::sync::{mpsc, oneshot};

use crate::adopted::FORKING_THREAD;
use crate::cgroup::Group;
use crate::fork::fork;
use crate::image::{Pipes, image};
use crate::owner::{Marker, Server};
use crate::root::{Root, Watch};
use crate::spawn::{SpawnError, explain};
use crate::{CgroupSpec, Spec, own_children};

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
        FORKING_THREAD.get_or_init(|| rustix::thread::gettid().as_raw_nonzero().get());
        while let Some(Order { spec, reply }) = orders.blocking_recv() {
            if reply.is_closed() {
                continue;
            }
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
    let pipes = Pipes::open().map_err(SpawnError::Os)?;
    let (group, door) = open_group(spec, &marker).unzip();
    let born = image(spec, &marker, &pipes, door.as_ref()).map_err(SpawnError::Os).and_then(|image| {
        // Held until the child is registered, or its end could be taken for that of an adopted orphan.
        let mut own = own_children::lock();
        let pid = fork(&image).map_err(|(stage, error)| explain(spec, stage, error))?;
        own.insert(pid);
        Ok(pid)
    });
    match born {
        Ok(pid) => {
            adopt(pid, marker, group.filter(|group| has_joined(group, pid)), pipes).map_err(SpawnError::Os)
        }
        Err(error) => {
            if let Some(group) = group {
                leave(&group);
            }
            Err(error)
        }
    }
}

/// Takes the new child into our hands.
fn adopt(pid: u32, marker: Marker, group: Option<Group>, pipes: Pipes) -> io::Result<Newborn> {
    let [stdin, stdout, stderr] = pipes.ours;
    match Watch::of(pid, &stdout, &stderr) {
        Ok(watch) => {
            let root = Root::new(watch, marker, group);
            Ok(Newborn { root, stdin: stdin.into(), stdout: stdout.into(), stderr: stderr.into() })
        }
        Err(error) => {
            abandon(pid);
            if let Some(group) = group {
                leave(&group);
            }
            Err(error)
        }
    }
}

/// Kills a child that cannot be watched, for want of descriptors.
fn abandon(pid: u32) {
    let mut own = own_children::lock();
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let killed =
            kill_process_group(pid, Signal::KILL).and_then(|()| waitpid(Some(pid), WaitOptions::empty()));
        if let Err(error) = killed {
            tracing::error!(?pid, %error, "cannot kill a child that cannot be watched");
        }
    }
    own.remove(&pid);
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

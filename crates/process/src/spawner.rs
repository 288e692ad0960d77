//! The one thread that forks. The kernel sends the parent-death signal when the forking *thread* ends, and
//! threads of the runtime come and go; this one stays as long as the process.

use std::io;
use std::process::{ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};

use crate::owner::{MARKER_VARIABLE, Marker, Server};
use crate::root::Root;
use crate::spawn::{SpawnError, explain};
use crate::{Spec, fork};

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
    let mut command = Command::new(&spec.program);
    command.args(&spec.args).current_dir(&spec.cwd);
    command.env_clear().envs(spec.env.iter().map(|(name, value)| (name, value)));
    command.env(MARKER_VARIABLE, marker.to_string());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    fork::prepare(&mut command, &spec.limits);
    let mut child = command.spawn().map_err(|error| explain(spec, error))?;
    let root = match Root::new(child.id(), marker) {
        Ok(root) => root,
        Err(error) => {
            child.kill().and_then(|()| child.wait()).map_err(SpawnError::Os)?;
            return Err(SpawnError::Os(error));
        }
    };
    let (Some(stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(SpawnError::Os(io::Error::other("the child has no pipes")));
    };
    Ok(Newborn { root, stdin, stdout, stderr })
}

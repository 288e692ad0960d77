//! The children that this process adopted, by the kernel's own lists of children (`/proc/<pid>/task/<tid>/children`,
//! proc_pid_children(5)): some system calls where the table of processes takes hundreds.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::own_children;
use crate::proc_table::{self, Row};

/// Whether orphaned descendants become children of this process.
pub(crate) static ADOPTING: AtomicBool = AtomicBool::new(false);
/// The thread that forks. Its children hang on it, and so does what they fork as their siblings; what is adopted hangs
/// on the first thread.
pub(crate) static FORKING_THREAD: OnceLock<i32> = OnceLock::new();

/// How often the lists are read before the answer is that nobody knows.
const ATTEMPTS: usize = 4;
/// More than most lists take.
const LIST_BYTES: usize = 1024;

/// Whether it is certain that no orphan lives: nothing of a child that this process forked, and that has ended.
pub(crate) fn none_lives() -> bool {
    let adopted = own_children::lock_soon().and_then(|own| adopted(&own));
    adopted.is_some_and(|rows| !rows.iter().any(Row::is_alive))
}

/// The children that are not in `own`, zombies among them; `None` when the lists cannot tell. `own` stays locked
/// meanwhile, so that none of them comes or goes.
fn adopted(own: &HashSet<u32>) -> Option<Vec<Row>> {
    if !ADOPTING.load(Ordering::Relaxed) {
        return None;
    }
    for _ in 0..ATTEMPTS {
        let listed = children().ok()?;
        let adopted = listed.iter().filter(|pid| !own.contains(pid));
        // One that is listed and not to be seen may live.
        let rows = adopted.map(|pid| proc_table::row(*pid).ok().flatten()).collect::<Option<Vec<Row>>>();
        // One that ends after it was listed leaves its children to us, and then they are listed as well. None is skipped, as the
        // kernel may do when one before it is reaped meanwhile: who reaps orphans holds the lock.
        if children().ok()? == listed {
            return rows;
        }
    }
    None
}

fn children() -> io::Result<Vec<u32>> {
    let first = std::process::id().cast_signed();
    let mut children = children_of(first)?;
    if let Some(forking) = FORKING_THREAD.get().filter(|forking| **forking != first) {
        children.extend(children_of(*forking)?);
    }
    Ok(children)
}

fn children_of(thread: i32) -> io::Result<Vec<u32>> {
    let mut list = Vec::with_capacity(LIST_BYTES);
    File::open(format!("/proc/self/task/{thread}/children"))?.read_to_end(&mut list)?;
    let list = String::from_utf8(list).map_err(io::Error::other)?;
    list.split_ascii_whitespace().map(|pid| pid.parse().map_err(io::Error::other)).collect()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_child_is_listed_with_the_thread_that_forked_it_until_it_is_reaped() {
        let this = rustix::thread::gettid().as_raw_nonzero().get();
        let mut child = Command::new("/bin/cat").env_clear().stdin(Stdio::piped()).spawn().unwrap();
        assert_eq!(children_of(this).unwrap(), [child.id()]);
        drop(child.stdin.take());
        child.wait().unwrap();
        assert_eq!(children_of(this).unwrap(), [0; 0]);
    }

    #[test]
    fn nothing_is_certain_while_orphans_are_not_adopted() {
        assert_eq!(adopted(&HashSet::new()), None);
    }
}

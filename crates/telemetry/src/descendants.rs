//! The processes that the server has started, and those that they have.

use std::collections::HashMap;
use std::fs;

/// What they are, and what they use. Whoever is in the server's own session is its helper, and not counted: agents have sessions of their
/// own, and nobody joins a session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Descendants {
    /// All of them.
    pub(crate) processes: u64,
    /// Those whose parent is the server: agents, and orphans that it has adopted.
    pub(crate) children: u64,
    /// Their resident memory; what they share counts for each of them.
    pub(crate) resident_bytes: u64,
}

/// What the system tells of a process.
#[derive(Debug, Clone, Copy)]
struct Process {
    parent: u32,
    session: u32,
    resident_pages: u64,
}

impl Descendants {
    /// Of this process; what the system does not tell is 0.
    pub(crate) fn of_this_process() -> Self {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let processes: HashMap<_, _> = ids.filter_map(|id| Some((id, read(id)?))).collect();
        Self::of(std::process::id(), &processes, rustix::param::page_size() as u64)
    }

    fn of(server: u32, processes: &HashMap<u32, Process>, page: u64) -> Self {
        let mut found = Self::default();
        let own_session = processes.get(&server).map(|server| server.session);
        for (id, process) in processes {
            if Some(process.session) != own_session && descends(*id, server, processes) {
                found.processes += 1;
                found.children += u64::from(process.parent == server);
                found.resident_bytes += process.resident_pages * page;
            }
        }
        found
    }
}

/// Whether a process has that one among its ancestors. They are read one after the other, so there may be circles.
fn descends(id: u32, from: u32, processes: &HashMap<u32, Process>) -> bool {
    let parents = std::iter::successors(Some(id), |id| processes.get(id).map(|process| process.parent));
    parents.take(processes.len() + 1).any(|ancestor| ancestor == from)
}

fn read(id: u32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The program's name, in brackets, may hold anything. What has ended uses nothing and waits to be reaped.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    let parent = fields.next()?.parse().ok()?;
    let session = fields.nth(1)?.parse().ok()?;
    let resident_pages = fields.nth(17)?.parse().ok()?;
    Some(Process { parent, session, resident_pages })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn children_and_their_children_count_and_nobody_else() {
        let process = |parent, session, resident_pages| Process { parent, session, resident_pages };
        let processes = HashMap::from([
            (1, process(0, 1, 9)),
            (7, process(1, 7, 9)),
            (8, process(7, 8, 1)),
            (9, process(8, 8, 2)),
            (6, process(7, 7, 9)),
            (5, process(1, 5, 9)),
        ]);
        let expected = Descendants { processes: 2, children: 1, resident_bytes: 30 };
        assert_eq!(Descendants::of(7, &processes, 10), expected);
        assert_eq!(Descendants::of(4, &processes, 10), Descendants::default());
    }

    #[test]
    fn a_child_is_seen() {
        let piped = std::process::Stdio::piped;
        let mut child = std::process::Command::new("setsid")
            .arg("cat")
            .stdin(piped())
            .stdout(piped())
            .spawn()
            .expect("a child");
        // One that has answered runs its program: before that it has no memory of its own.
        child.stdin.as_mut().expect("its input").write_all(b"x").expect("written");
        child.stdout.as_mut().expect("its output").read_exact(&mut [0]).expect("an answer");
        let seen = Descendants::of_this_process();
        child.kill().and_then(|()| child.wait()).expect("ended");
        assert!(seen.children >= 1 && seen.resident_bytes > 0, "{seen:?}");
    }
}

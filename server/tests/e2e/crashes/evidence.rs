//! What the agents left in a file while they worked: `<nanoseconds> <pid> <conversation> <what>-<task>` a line.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::conversations::Written;

struct Trace {
    pid: String,
    conversation: String,
    what: String,
}

fn traces(file: &Path) -> Vec<Trace> {
    let text = fs::read_to_string(file).expect("traces");
    let mut lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(' ').collect()).collect();
    lines.sort_by_key(|words| words[0].parse::<u128>().expect("a time"));
    let trace = |words: Vec<&str>| match words.as_slice() {
        [_, pid, conversation, what] => {
            Trace { pid: (*pid).into(), conversation: (*conversation).into(), what: (*what).into() }
        }
        words => unreachable!("no trace: {words:?}"),
    };
    lines.into_iter().map(trace).collect()
}

/// A task was begun as often as there were attempts at the most, and a completed one was ended once.
pub(super) fn check_task(file: &Path, id: &str, task: &Value, written: &Written) {
    let traces = traces(file);
    let count = |what: &str| traces.iter().filter(|trace| trace.what == format!("{what}-{id}")).count();
    let attempts = task["attempt"].as_u64().expect("a number");
    assert!(
        count("begin") as u64 <= attempts,
        "{id} was begun {} times in {attempts} attempts",
        count("begin")
    );
    assert!(count("end") as u64 <= attempts, "{id} was ended {} times", count("end"));
    // A call that was cut off with its server may have run or not; the agent was told so, and it is not made again.
    if task["status"] == "completed" && !written.was_cut_off {
        assert!(count("end") >= 1, "{id} has not been run to its end");
    }
}

/// No two processes wrote one conversation at the same time: once another one writes, the earlier never does again.
pub(super) fn check_conversations(file: &Path) {
    let mut writers: HashMap<String, (String, HashSet<String>)> = HashMap::new();
    for trace in traces(file) {
        let (current, earlier) =
            writers.entry(trace.conversation.clone()).or_insert_with(|| (trace.pid.clone(), HashSet::new()));
        if *current != trace.pid {
            earlier.insert(std::mem::replace(current, trace.pid.clone()));
        }
        assert!(!earlier.contains(&trace.pid), "two processes write the conversation {}", trace.conversation);
    }
}

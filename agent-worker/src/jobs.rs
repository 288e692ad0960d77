//! What is to be done: one task, or several from a file.

use std::collections::HashSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::arguments::Arguments;
use crate::run::BRANCHES;

/// More than any prompt.
const MOST_BYTES: u64 = 8 * 1024 * 1024;
/// Most tasks of a file.
const MOST_TASKS: usize = 100;
/// Longest name, in characters: it becomes part of a branch's name.
const LONGEST_NAME: usize = 40;

/// One task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Job {
    /// What it is called where there are several.
    pub(crate) name: Option<String>,
    /// What the agent is told.
    pub(crate) prompt: String,
    /// The branch to be made; one is named after the run when it is left out.
    pub(crate) branch: Option<String>,
    /// Longest time that the agent may work, in seconds.
    pub(crate) timeout: u64,
}

/// Why there is nothing to be done. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JobsError {
    #[error("{} cannot be read: {source}", .file.display())]
    File { file: PathBuf, source: std::io::Error },
    #[error("{} is larger than {MOST_BYTES} bytes: that is no task", .0.display())]
    TooLarge(PathBuf),
    #[error("{}: {source}", .file.display())]
    Syntax { file: PathBuf, source: Box<toml::de::Error> },
    #[error("{}: {fault}", .file.display())]
    Fault { file: PathBuf, fault: String },
    #[error("the task is empty: say what is to be done")]
    Empty,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TaskFile {
    #[serde(default, rename = "task")]
    tasks: Vec<TaskEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TaskEntry {
    name: String,
    prompt: String,
    branch: Option<String>,
    timeout: Option<u64>,
}

/// The tasks of a command line.
pub(crate) fn jobs(arguments: &Arguments) -> Result<Vec<Job>, JobsError> {
    if let Some(file) = &arguments.tasks {
        return several(file, &read(file)?, arguments.timeout);
    }
    let prompt = match (&arguments.task, &arguments.task_file) {
        (Some(task), _) => task.clone(),
        (None, Some(file)) => read(file)?,
        (None, None) => String::new(),
    };
    if prompt.trim().is_empty() {
        return Err(JobsError::Empty);
    }
    Ok(vec![Job { name: None, prompt, branch: arguments.branch.clone(), timeout: arguments.timeout }])
}

fn read(file: &Path) -> Result<String, JobsError> {
    let fault = |source| JobsError::File { file: file.to_owned(), source };
    let mut text = String::new();
    let mut bytes = std::fs::File::open(file).map_err(fault)?.take(MOST_BYTES + 1);
    bytes.read_to_string(&mut text).map_err(fault)?;
    if text.len() as u64 > MOST_BYTES { Err(JobsError::TooLarge(file.to_owned())) } else { Ok(text) }
}

fn several(file: &Path, text: &str, timeout: u64) -> Result<Vec<Job>, JobsError> {
    let syntax = |source| JobsError::Syntax { file: file.to_owned(), source: Box::new(source) };
    let TaskFile { tasks } = toml::from_str(text).map_err(syntax)?;
    let fault = |fault: String| Err(JobsError::Fault { file: file.to_owned(), fault });
    if tasks.is_empty() || tasks.len() > MOST_TASKS {
        return fault(format!("it has {} tasks: 1 to {MOST_TASKS} may be there", tasks.len()));
    }
    let (mut names, mut branches) = (HashSet::new(), HashSet::new());
    for TaskEntry { name, prompt, branch, timeout } in &tasks {
        if !is_name(name) {
            return fault(format!("the name {name:?} has to be 1 to {LONGEST_NAME} letters, digits, - or _"));
        }
        if prompt.trim().is_empty() {
            return fault(format!("the task {name} has an empty prompt"));
        }
        if *timeout == Some(0) {
            return fault(format!("the task {name} has a timeout of 0 seconds"));
        }
        if !names.insert(name) {
            return fault(format!("two tasks are called {name}"));
        }
        if branch.as_ref().is_some_and(|branch| !branches.insert(branch)) {
            return fault(format!("the branch of {name} is that of another task, too"));
        }
    }
    if tasks.iter().any(|task| task.branch.is_none()) && branches.contains(&BRANCHES.to_owned()) {
        return fault(format!(
            "there can be no branch {BRANCHES}, as tasks without one get theirs below it: give it another name"
        ));
    }
    for branch in &branches {
        let above = branches
            .iter()
            .find(|other| branch.strip_prefix(other.as_str()).is_some_and(|rest| rest.starts_with('/')));
        if let Some(above) = above {
            return fault(format!("there can be no branch {branch} beside {above}: give one another name"));
        }
    }
    let job = |task: TaskEntry| Job {
        name: Some(task.name),
        prompt: task.prompt,
        branch: task.branch,
        timeout: task.timeout.unwrap_or(timeout),
    };
    Ok(tasks.into_iter().map(job).collect())
}

fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(allowed) && !name.starts_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_tasks(text: &str) -> Result<Vec<Job>, String> {
        several(Path::new("t.toml"), text, 60).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_has_several_tasks() {
        let text = "[[task]]\nname = 'a'\nprompt = 'do a'\n[[task]]\nname = 'b-2'\nprompt = '''\nx\ny'''\nbranch = 'f/b'\ntimeout = 5\n";
        let job = |name: &str, prompt: &str, branch: Option<&str>, timeout| Job {
            name: Some(name.into()),
            prompt: prompt.into(),
            branch: branch.map(Into::into),
            timeout,
        };
        assert_eq!(
            read_tasks(text),
            Ok(vec![job("a", "do a", None, 60), job("b-2", "x\ny", Some("f/b"), 5)])
        );
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        let one = |more: &str| format!("[[task]]\nname = 'a'\nprompt = 'p'\n{more}");
        for (text, part) in [
            (String::new(), "it has 0 tasks"),
            ("[[task]]\nname = 'a'".to_owned(), "missing field `prompt`"),
            (one("tiemout = 1"), "unknown field `tiemout`"),
            (one("timeout = 0"), "a timeout of 0"),
            (one(&one("")), "two tasks are called a"),
            (one("branch = 'x'\n[[task]]\nname = 'b'\nprompt = 'p'\nbranch = 'x'"), "that of another task"),
            (
                one("branch = 'z/y'\n[[task]]\nname = 'b'\nprompt = 'p'\nbranch = 'z'"),
                "no branch z/y beside z",
            ),
            (one("branch = 'agent'\n[[task]]\nname = 'b'\nprompt = 'p'"), "there can be no branch agent"),
            ("[[task]]\nname = 'a b'\nprompt = 'p'".to_owned(), "letters, digits"),
            ("[[task]]\nname = 'a'\nprompt = ' '".to_owned(), "an empty prompt"),
            ("task = ".to_owned(), "t.toml: TOML parse error"),
        ] {
            let error = read_tasks(&text).expect_err("a fault");
            assert!(error.contains(part), "{error}");
        }
    }
}

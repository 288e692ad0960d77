//! Which events of all tasks a request wants: `?task_id=&session_id=&workspace=&status=a,b&type=a,b`.

use std::path::{Path, PathBuf};

use api::EVENT_TYPES;
use domain::{Principal, SessionId, TaskId, TaskStatus};
use store::FeedFilter;

use crate::query::Parameters;
use crate::submission::LOOKS;

/// A filter, and the types of events that are wanted; none stands for all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Filter {
    pub(crate) feed: FeedFilter,
    pub(crate) types: Vec<String>,
}

/// Reads it; nobody sees more than `view`, if there is one.
pub(crate) async fn filter(parameters: &mut Parameters, view: Option<&Principal>) -> Filter {
    let workspace = workspace(parameters).await;
    Filter {
        feed: FeedFilter {
            principal: view.cloned(),
            task: parameters.parsed("task_id", |id| TaskId::parse(id).map_err(|error| error.to_string())),
            session: parameters
                .parsed("session_id", |id| SessionId::parse(id).map_err(|error| error.to_string())),
            workspace,
            statuses: parameters.list("status", status),
        },
        types: parameters.list("type", kind),
    }
}

/// The workspace that is asked for.
pub(crate) async fn workspace(parameters: &mut Parameters) -> Option<PathBuf> {
    let workspace = parameters.parsed("workspace", absolute)?;
    // As tasks have it. A folder that is gone is taken as it is: its tasks may still be there.
    let named = workspace.clone();
    Some(LOOKS.look(move || named.canonicalize()).await.unwrap_or(workspace))
}

fn absolute(path: &str) -> Result<PathBuf, String> {
    let path = Path::new(path);
    if path.is_absolute() { Ok(path.to_owned()) } else { Err("must be an absolute path".to_owned()) }
}

pub(crate) fn status(word: &str) -> Result<TaskStatus, String> {
    use TaskStatus::{Completed, Failed, Interrupted, Pending, Running};
    let all = [Pending, Running, Completed, Failed, Interrupted];
    let found = all.into_iter().find(|status| status.as_str() == word);
    found.ok_or_else(|| not_one_of(word, &all.map(TaskStatus::as_str)))
}

fn kind(word: &str) -> Result<String, String> {
    if EVENT_TYPES.contains(&word) { Ok(word.to_owned()) } else { Err(not_one_of(word, &EVENT_TYPES)) }
}

fn not_one_of(word: &str, allowed: &[&str]) -> String {
    format!("has {word:?}, which is not one of {}", allowed.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_filter_is_read_whole() {
        let query =
            "task_id=t&session_id=s&workspace=/no/such%20folder&status=pending,failed&type=status,complete";
        let mut parameters = Parameters::of(query);
        let expected = Filter {
            feed: FeedFilter {
                principal: None,
                task: Some(TaskId::parse("t").expect("valid")),
                session: Some(SessionId::parse("s").expect("valid")),
                workspace: Some("/no/such folder".into()),
                statuses: vec![TaskStatus::Pending, TaskStatus::Failed],
            },
            types: vec!["status".into(), "complete".into()],
        };
        assert_eq!(filter(&mut parameters, None).await, expected);
        assert!(parameters.check().is_ok());
        assert_eq!(filter(&mut Parameters::of(""), None).await, Filter::default());
    }

    #[tokio::test]
    async fn a_workspace_is_looked_for_as_tasks_have_it() {
        let place = tempfile::tempdir().expect("a folder");
        let link = place.path().join("link");
        std::os::unix::fs::symlink(place.path(), &link).expect("linked");
        let filter = filter(&mut Parameters::of(&format!("workspace={}", link.display())), None).await;
        assert_eq!(filter.feed.workspace, place.path().canonicalize().ok());
    }

    #[tokio::test]
    async fn every_fault_of_a_filter_is_told() {
        let mut parameters =
            Parameters::of("task_id=a/b&session_id=.&workspace=w&status=done&type=status,say");
        filter(&mut parameters, None).await;
        let refusal = parameters.check().expect_err("faults");
        let faults: Vec<_> = refusal.faults.into_iter().map(|fault| (fault.pointer, fault.detail)).collect();
        let id = "an id is made of letters, digits and . _ : - and starts with a letter or digit";
        let expected = [
            ("?workspace", "must be an absolute path"),
            ("?task_id", id),
            ("?session_id", id),
            ("?status", "has \"done\", which is not one of pending, running, completed, failed, interrupted"),
            (
                "?type",
                "has \"say\", which is not one of message, tool_use, tool_result, progress, complete, error, status",
            ),
        ];
        assert_eq!(faults, expected.map(|(pointer, detail)| (pointer.to_owned(), detail.to_owned())));
    }
}

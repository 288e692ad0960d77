//! The command line. Options that make no difference here are ignored.

use std::path::PathBuf;

/// The version whose protocol this speaks.
pub(crate) const VERSION: &str = "2.1.330";

/// What the process was started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Launch {
    /// `--session-id`
    pub(crate) session_id: Option<String>,
    /// `--resume`
    pub(crate) resume: Option<String>,
    /// `--fork-session`
    pub(crate) fork: bool,
    /// `--await-claim`
    pub(crate) await_claim: bool,
    /// `--replay-user-messages`
    pub(crate) replay: bool,
    /// Not `--no-session-persistence`.
    pub(crate) keep: bool,
    /// `--model`
    pub(crate) model: String,
    /// `--permission-mode`
    pub(crate) permission_mode: String,
}

impl Launch {
    /// Reads the arguments; values share their token with the flag.
    pub(crate) fn read(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut launch = Self {
            session_id: None,
            resume: None,
            fork: false,
            await_claim: false,
            replay: false,
            keep: true,
            model: "stub".to_owned(),
            permission_mode: "default".to_owned(),
        };
        for argument in arguments {
            match argument.split_once('=').unwrap_or((&argument, "")) {
                ("--session-id", id) => launch.session_id = Some(id.to_owned()),
                ("--resume", id) => launch.resume = Some(id.to_owned()),
                ("--fork-session", _) => launch.fork = true,
                ("--await-claim", _) => launch.await_claim = true,
                ("--replay-user-messages", _) => launch.replay = true,
                ("--no-session-persistence", _) => launch.keep = false,
                ("--model", model) => launch.model = model.to_owned(),
                ("--permission-mode", mode) => launch.permission_mode = mode.to_owned(),
                _ => {}
            }
        }
        launch.check()
    }

    fn check(self) -> Result<Self, String> {
        if self.resume.is_some() && self.session_id.is_some() && !self.fork {
            return Err("Error: --session-id with --continue or --resume also needs --fork-session.".into());
        }
        let part_of_id = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
        if self.resume.iter().chain(&self.session_id).any(|id| !id.chars().all(part_of_id)) {
            return Err("Error: Invalid session ID. Must be a valid UUID.".into());
        }
        if self.resume.is_some() && self.await_claim {
            return Err("Error: --await-claim cannot be combined with --resume.".into());
        }
        Ok(self)
    }

    /// The id of the conversation that is written.
    pub(crate) fn id(&self) -> Option<String> {
        let resumed = self.resume.as_ref().filter(|_| !self.fork);
        resumed.or(self.session_id.as_ref()).cloned()
    }
}

/// The CLI's config folder.
pub(crate) fn config_folder() -> PathBuf {
    let named = std::env::var_os("CLAUDE_CONFIG_DIR").map(PathBuf::from);
    named.unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".claude"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> Result<Launch, String> {
        Launch::read(arguments.iter().map(|argument| (*argument).to_owned()))
    }

    #[test]
    fn a_fork_is_written_under_its_own_id_and_a_resumed_conversation_under_the_old_one() {
        let ids = |arguments: &[&str]| read(arguments).map(|launch| launch.id());
        assert_eq!(ids(&["--resume=a", "--fork-session", "--session-id=b"]), Ok(Some("b".into())));
        assert_eq!(ids(&["--resume=a", "--fork-session"]), Ok(None));
        assert_eq!(ids(&["--verbose", "--resume=a"]), Ok(Some("a".into())));
        assert_eq!(ids(&["--session-id=b", "--settings={\"a\":1}"]), Ok(Some("b".into())));
    }

    #[test]
    fn what_the_cli_refuses_is_refused() {
        let needs_fork = "Error: --session-id with --continue or --resume also needs --fork-session.";
        assert_eq!(read(&["--resume=a", "--session-id=b"]), Err(needs_fork.into()));
        let no_spare = "Error: --await-claim cannot be combined with --resume.";
        assert_eq!(read(&["--resume=a", "--await-claim"]), Err(no_spare.into()));
    }
}

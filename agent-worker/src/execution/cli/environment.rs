//! The CLI's environment: made from nothing, so that it learns no more than it needs.

use std::ffi::OsString;
use std::path::Path;

/// What it may know: where programs are, whose home it works in (with the CLI's login and settings), how it reaches the model,
/// and who commits.
const PASSED: [&str; 30] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "XDG_CONFIG_HOME",
    "CLAUDE_CONFIG_DIR",
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "ANTHROPIC_BASE_URL",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_AUTHOR_NAME",
    "GIT_AUTHOR_EMAIL",
    "GIT_COMMITTER_NAME",
    "GIT_COMMITTER_EMAIL",
];

/// What the server calls it, and what the CLI does.
const RENAMED: [(&str, &str); 2] =
    [("CLAUDE_API_KEY", "ANTHROPIC_API_KEY"), ("CLAUDE_BASE_URL", "ANTHROPIC_BASE_URL")];

/// The variables, complete. An empty one counts as not set.
pub(super) fn environment(
    workspace: &Path,
    further: &[String],
    variable: impl Fn(&str) -> Option<OsString>,
) -> Vec<(OsString, OsString)> {
    let given = |name: &str| variable(name).filter(|value| !value.is_empty());
    let names = PASSED.into_iter().chain(further.iter().map(String::as_str));
    let mut variables: Vec<(OsString, OsString)> =
        names.filter_map(|name| Some((name.into(), given(name)?))).collect();
    for (ours, theirs) in RENAMED {
        if given(theirs).is_none()
            && let Some(value) = given(ours)
        {
            variables.push((theirs.into(), value));
        }
    }
    variables.push(("PWD".into(), workspace.into()));
    // One run is one version.
    variables.push(("DISABLE_AUTOUPDATER".into(), "1".into()));
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_named_reaches_the_cli() {
        let given = |name: &str| {
            let value = match name {
                "PATH" | "EXTRA" | "AWS_SECRET_ACCESS_KEY" | "CLAUDE_SERVER_API_KEY" | "CLAUDE_BASE_URL" => {
                    "x"
                }
                "CLAUDE_API_KEY" => "ours",
                "ANTHROPIC_BASE_URL" => "theirs",
                "ANTHROPIC_API_KEY" => "",
                _ => return None,
            };
            Some(OsString::from(value))
        };
        let variables = environment(Path::new("/w"), &["EXTRA".to_owned()], given);
        let expected = [
            ("PATH", "x"),
            ("ANTHROPIC_BASE_URL", "theirs"),
            ("EXTRA", "x"),
            ("ANTHROPIC_API_KEY", "ours"),
            ("PWD", "/w"),
            ("DISABLE_AUTOUPDATER", "1"),
        ];
        assert_eq!(variables, expected.map(|(name, value)| (name.into(), value.into())));
    }
}

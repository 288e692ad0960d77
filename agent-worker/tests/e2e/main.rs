//! The real worker on real git repositories: by the real server and by the real CLI, both behind the scripted model.

#![expect(clippy::expect_used, reason = "tests fail by panicking")]

mod endings;
mod modes;
mod refusals;
mod several;
mod world;

/// A command that runs for ten minutes; the CLI's Bash tool refuses a plain `sleep`.
const LONG_COMMAND: &str = "[[bash python3 -c 'import time; time.sleep(600)']]";
/// A command that runs until its folder has a file `go`.
const WAIT: &str = "[[bash python3 -c 'while not __import__(\"os\").path.exists(\"go\"): __import__(\"time\").sleep(0.05)']]";

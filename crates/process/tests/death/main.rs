//! How children die: one behaviour a file, with real programs.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test that calls it")]

mod cancelled_calls;
mod cgroup;
mod child;
mod clean_start;
mod closes_stdout;
mod drop_kills;
mod escapes;
mod exits_at_once;
mod floods_stderr;
mod forks;
mod holds_pipe;
mod ignores_sigterm;
mod killed_server;
mod leaks_grandchild;
mod long_line;
mod many_at_once;
mod outlives_thread;
mod refused_starts;
mod second_stop;
mod server_role;
mod vitals;

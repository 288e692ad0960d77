//! Harness: the real server binary as a child, with folders of its own and nothing of this machine's environment.
//!
//! Everything here panics when it fails, as tests do.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a harness fails the test that uses it"
)]

mod browser;
mod events;
mod fast_stream;
mod processes;
mod program;
mod redis;
mod server;
mod stub;

pub use browser::rendered;
pub use events::{EventStream, Finished, Wire};
pub use fast_stream::FastStream;
pub use processes::{
    AgentWatch, agents, children, cpu_time, memory_kib, wait_until_none_mention, warden, which_mention,
};
pub use program::server_program;
pub use redis::{RedisServer, redis_version};
pub use rustix::process::Signal;
pub use server::{Server, ServerBuilder, Stopped, pinned_cli};
pub use stub::stub_agent;

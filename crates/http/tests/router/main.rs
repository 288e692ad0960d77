//! The whole router with a real engine, a store in memory and scripted agents, on a mock clock: nothing here takes real
//! time.
#![expect(clippy::expect_used, reason = "tests fail by panicking")]

mod access;
mod agents;
mod bodies;
mod feed;
mod lists;
mod openapi;
mod paths;
mod place;
mod questions;
mod sockets;
mod submissions;
mod task_events;
mod tasks;

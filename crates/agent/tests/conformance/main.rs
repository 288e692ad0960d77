//! The driver against the real CLI, behind the scripted model: one capability a test.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what fails in a helper fails the test that calls it")]

mod conversations;
mod faults;
mod gateway;
mod hooks;
mod interrupts;
mod limits;
mod mcp;
mod permissions;
mod place;
mod pool;
mod prepared;
mod principals;
mod resumed_turns;
mod tools;
mod vitals;

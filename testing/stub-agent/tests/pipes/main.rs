//! The binary, spoken to over its pipes.

#![expect(clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod conversations;
mod process;
mod stub;
mod turns;

//! The proxy between a client and an upstream that are both real, over loopback.

#![expect(clippy::expect_used, reason = "tests fail by panicking")]

mod closing;
mod limits;
mod passing;
mod refusals;
mod upstream;

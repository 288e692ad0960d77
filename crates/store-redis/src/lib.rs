//! The distributed store: several servers share one Redis (7 or newer, or Valkey).
//!
//! Each command is one Lua script: Redis carries it out as a whole, and refuses it when the lease of the server that sent it has
//! ended. What the commands mean is what [`store::Core`] says; the conformance suite holds both to the same.
//!
//! Readers learn of commits by one subscription a server, which carries wake-ups only. Each message has a number, so a lost
//! one is noticed; what it would have said is then looked up.

mod bus;
mod callers;
mod changes;
mod commands;
mod durability;
mod feed;
mod lease;
mod link;
mod listing;
mod live;
mod mail;
mod news;
mod notes;
mod open;
mod reads;
mod reply;
mod route;
mod rows;
mod scripts;
mod settings;
mod store;
mod sweep;

pub use crate::open::OpenError;
pub use crate::settings::{Address, Certificates, InstanceSettings, RedisSettings};
pub use crate::store::{RedisStore, inspect};

#[cfg(test)]
mod tests;

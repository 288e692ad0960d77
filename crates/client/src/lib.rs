//! A client of the server's API, and what command lines show of it.
//!
//! [`Client`] asks again what was lost on its way, which is safe: submissions have ids, and everything else can be repeated.
//! A [`Follower`] reads a task's events over as many connections as it takes, each from its cursor on: none is missed, none
//! comes twice, whatever becomes of the connection or the server.
//! [`Printer`] shows events as [`readable`] lines.

mod client;
mod error;
mod event;
mod follow;
mod printer;
pub mod readable;
mod retry;
mod signals;
mod socket;
mod table;

pub use client::{Client, EventPage, Interrupted, LOCAL_SERVER, ServerInfo, TaskQuery, new_task_id};
pub use error::ClientError;
pub use event::Event;
pub use follow::{Followed, Follower};
pub use printer::{Form, Printer};
pub use signals::is_ignored;
pub use table::table;

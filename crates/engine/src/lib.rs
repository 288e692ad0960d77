//! Admission, queue, dispatcher, sessions and subscriptions.
//!
//! [`Engine::start`] gives a [`Handle`], the only thing that the outside knows. The engine knows agents and stores
//! by their traits; it never sees SQL, HTTP or the CLI's frames.

mod agents;
mod dispatcher;
mod elsewhere;
mod engine;
mod feed;
mod handle;
mod keeper;
mod lease;
mod notice;
mod patience;
mod recovery;
mod run;
mod settings;
mod subscription;
mod tempo;

pub use agent::Looks;
pub use engine::Engine;
pub use feed::{FeedBatch, FeedSubscription};
pub use handle::{
    DeleteSessionError, Handle, InterruptFirst, Interruption, MessageError, NotReady, Queued, SubmitRefused,
    TaskList, TaskView,
};
pub use notice::status_notice;
pub use settings::{Folders, Recycling, Settings};
pub use subscription::{Batch, Subscription, SubscriptionError};

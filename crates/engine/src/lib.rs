//! Admission, queue, dispatcher, sessions and subscriptions.
//!
//! [`Engine::start`] gives a [`Handle`], the only thing that the outside knows. The engine knows agents and stores
//! by their traits; it never sees SQL, HTTP or the CLI's frames.

mod dispatcher;
mod engine;
mod handle;
mod run;
mod settings;
mod subscription;

pub use engine::Engine;
pub use handle::{DeleteSessionError, Handle, InterruptFirst, Interruption, NotReady, SubmitRefused};
pub use settings::Settings;
pub use subscription::{Batch, Subscription, SubscriptionError};

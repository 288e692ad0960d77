//! Why the database did not do what was asked.

use store::StoreError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error("the database and a value do not fit together: {0}")]
    Value(#[from] serde_json::Error),
    #[error("the database does not hold what it should: {0}")]
    Content(String),
    #[error("the path {0} cannot be stored, because it is not UTF-8: rename it")]
    Path(String),
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        Self(fault.to_string())
    }
}

/// Gives the part of an answer that says that the storage failed.
pub(crate) trait Refusal: From<StoreError> + Send + 'static {
    /// The storage's failure, if it is that and not an answer.
    fn failure(&self) -> Option<&StoreError>;
}

impl Refusal for StoreError {
    fn failure(&self) -> Option<&StoreError> {
        Some(self)
    }
}

macro_rules! refusals {
    ($($name:ident),*) => {
        $(impl Refusal for store::$name {
            fn failure(&self) -> Option<&StoreError> {
                match self {
                    Self::Store(error) => Some(error),
                    _ => None,
                }
            }
        })*
    };
}

refusals!(
    SubmitError,
    CommitError,
    InterruptError,
    DeleteError,
    AnswerError,
    ChangeError,
    DeleteTaskError,
    CreateSessionError
);

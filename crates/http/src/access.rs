//! What a caller may do: each endpoint says by an argument which scope it needs, and finds tasks and sessions through it.

use std::marker::PhantomData;

use api::Code;
use auth::{Identity, Scope};
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use engine::TaskView;
use store::SessionRecord;

use crate::path;
use crate::refusal::Refusal;
use crate::state::AppState;

/// A scope, as a type.
pub(crate) trait Need {
    /// Which.
    const SCOPE: Scope;
}

macro_rules! needs {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        $(
            $(#[$doc])*
            pub(crate) struct $name;

            impl Need for $name {
                const SCOPE: Scope = Scope::$name;
            }
        )*
    };
}

needs! {
    /// To see tasks.
    TasksRead,
    /// To submit, stop and change tasks.
    TasksWrite,
    /// To see sessions.
    SessionsRead,
    /// To make and delete sessions.
    SessionsWrite,
    /// To look after the servers.
    Admin,
}

/// A caller who may do that.
pub(crate) struct May<N> {
    /// Who.
    pub(crate) caller: Identity,
    need: PhantomData<N>,
}

impl<S: Sync, N: Need> FromRequestParts<S> for May<N> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        // A path that nobody guards lets nobody in.
        let caller = parts.extensions.get::<Identity>().cloned().ok_or_else(|| lacks(N::SCOPE))?;
        if caller.may(N::SCOPE) { Ok(Self { caller, need: PhantomData }) } else { Err(lacks(N::SCOPE)) }
    }
}

/// RFC 6750, section 3.1.
fn lacks(scope: Scope) -> Refusal {
    let scope = scope.as_str();
    let detail = format!("the key or token lacks the scope {scope}: use one that has it");
    Refusal::new(StatusCode::FORBIDDEN, Code::InsufficientScope, detail)
        .challenge(format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\""))
}

impl<N> May<N> {
    /// A task of the caller's. Others' are not there for it.
    ///
    /// # Errors
    /// When there is none, or the storage fails.
    pub(crate) async fn task(&self, state: &AppState, id: &str) -> Result<TaskView, Refusal> {
        let found = state.engine.task(&path::task(id)?).await?;
        let found = found.filter(|view| self.caller.sees(&view.record.spec.principal));
        found.ok_or_else(|| Refusal::task_not_found(id))
    }

    /// A session of the caller's. Others' are not there for it.
    ///
    /// # Errors
    /// When there is none, or the storage fails.
    pub(crate) async fn session(&self, state: &AppState, id: &str) -> Result<SessionRecord, Refusal> {
        let found = state.engine.session(&path::session(id)?).await?;
        let found = found.filter(|session| self.caller.sees(&session.principal));
        found.ok_or_else(|| Refusal::session_not_found(id))
    }
}

//! Tickets of servers that share their storage: one that was issued by any of them opens its stream at each, and once.

use std::num::NonZeroU32;

use auth::{Identity, Scopes};
use domain::{Principal, TaskId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::StoreError;

use super::{Issued, Opens, VALID_FOR, is_well_formed};
use crate::state::AppState;

/// A ticket as the storage has it, under its digest: whoever reads it there gets none.
#[derive(Serialize, Deserialize)]
struct Note {
    /// `None` for the events of all tasks.
    task: Option<TaskId>,
    name: String,
    principal: Principal,
    scopes: Scopes,
    requests_per_minute: Option<NonZeroU32>,
    max_running: Option<NonZeroU32>,
}

fn name_of(ticket: &str) -> String {
    let digest: String = Sha256::digest(ticket).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("ticket:{digest}")
}

impl Note {
    fn new(opens: &Opens, holder: &Identity) -> Self {
        Self {
            task: match opens {
                Opens::Task(task) => Some(task.clone()),
                Opens::Everything => None,
            },
            name: holder.name.to_string(),
            principal: holder.principal.clone(),
            scopes: holder.scopes,
            requests_per_minute: holder.requests_per_minute,
            max_running: holder.max_running,
        }
    }

    fn holder(self, wanted: &Opens) -> Option<Identity> {
        let opens = self.task.map_or(Opens::Everything, Opens::Task);
        (opens == *wanted).then(|| Identity {
            name: self.name.into(),
            principal: self.principal,
            scopes: self.scopes,
            requests_per_minute: self.requests_per_minute,
            max_running: self.max_running,
        })
    }
}

/// Makes a ticket for somebody; `None` when too many wait to be used, or the storage fails.
pub(crate) async fn issue(state: &AppState, opens: Opens, holder: &Identity) -> Option<Issued> {
    let issued = state.tickets.issue(opens.clone(), holder, state.clock.now())?;
    if !state.engine.is_shared() {
        return Some(issued);
    }
    let note = serde_json::to_vec(&Note::new(&opens, holder)).ok()?;
    match state.engine.keep_note(&name_of(&issued.ticket), &note, VALID_FOR).await {
        Ok(()) => Some(issued),
        Err(error) => {
            tracing::error!(%error, "a ticket could not be stored");
            None
        }
    }
}

/// Who got a ticket, if it opens that.
pub(crate) async fn holder(
    state: &AppState,
    ticket: &str,
    wanted: &Opens,
) -> Result<Option<Identity>, StoreError> {
    if !state.engine.is_shared() {
        return Ok(state.tickets.holder(ticket, wanted, state.clock.now()));
    }
    // What was never issued is not worth a question to the storage.
    if !is_well_formed(ticket) {
        return Ok(None);
    }
    let note = state.engine.note(&name_of(ticket)).await?;
    Ok(note.and_then(|note| serde_json::from_slice::<Note>(&note).ok()).and_then(|note| note.holder(wanted)))
}

/// Uses a ticket up, if it opens that; gives who got it.
pub(crate) async fn redeem(
    state: &AppState,
    ticket: &str,
    wanted: &Opens,
) -> Result<Option<Identity>, StoreError> {
    let here = state.tickets.redeem(ticket, wanted, state.clock.now());
    if !state.engine.is_shared() {
        return Ok(here);
    }
    let note = state.engine.take_note(&name_of(ticket)).await?;
    Ok(note.and_then(|note| serde_json::from_slice::<Note>(&note).ok()).and_then(|note| note.holder(wanted)))
}

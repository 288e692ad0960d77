//! Who calls.

use std::num::NonZeroU32;
use std::sync::Arc;

use domain::Principal;

use crate::{Scope, Scopes};

/// A caller that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Names the key or token: its requests are counted together. Never secret.
    pub name: Arc<str>,
    /// Whose tasks and sessions it works with.
    pub principal: Principal,
    /// What it may do.
    pub scopes: Scopes,
    /// How many requests a minute it may make, when it has a number of its own.
    pub requests_per_minute: Option<NonZeroU32>,
    /// How many tasks of its principal may run at once; `None` for as many as there are agents.
    pub max_running: Option<NonZeroU32>,
}

impl Identity {
    /// Somebody who may do everything: who has the one key, or everybody where none is needed.
    pub fn operator() -> Self {
        Self {
            name: "operator".into(),
            principal: Principal::default(),
            scopes: Scopes::of(&[Scope::Admin]),
            requests_per_minute: None,
            max_running: None,
        }
    }

    /// Whether it may do that.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.allow(scope)
    }

    /// Whether it may know of what belongs to somebody.
    pub fn sees(&self, owner: &Principal) -> bool {
        self.principal == *owner || self.may(Scope::Admin)
    }

    /// Whose things it sees; `None` for everybody's.
    pub fn view(&self) -> Option<&Principal> {
        (!self.may(Scope::Admin)).then_some(&self.principal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_sees_its_own_and_an_admin_everything() {
        let [mine, other] = ["mine", "other"].map(|name| Principal::parse(name).expect("a name"));
        let operator = Identity::operator();
        assert!(operator.sees(&mine) && operator.view().is_none());
        let caller = Identity {
            principal: mine.clone(),
            scopes: Scopes::of(&[Scope::TasksRead, Scope::TasksWrite]),
            ..operator
        };
        assert_eq!((caller.sees(&mine), caller.sees(&other), caller.view()), (true, false, Some(&mine)));
    }
}

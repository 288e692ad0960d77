//! Counts how often a fault of a script has happened.

use std::sync::{Mutex, PoisonError};

use crate::bounded::BoundedMap;
use crate::directive::{Fault, FaultKind};

/// How many faults are counted at once.
const REMEMBERED: usize = 16_384;

/// Which step of which conversation a fault belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct StepKey {
    /// The conversation up to the prompt.
    pub(crate) conversation: u64,
    pub(crate) step: usize,
}

/// The faults that happened so far.
#[derive(Debug)]
pub(crate) struct FaultCounters(Mutex<BoundedMap<(StepKey, usize), u32>>);

impl Default for FaultCounters {
    fn default() -> Self {
        Self(Mutex::new(BoundedMap::new(REMEMBERED)))
    }
}

impl FaultCounters {
    /// The first fault that has not yet happened as often as it should; it is counted.
    pub(crate) fn next(&self, key: StepKey, faults: &[Fault]) -> Option<FaultKind> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        faults.iter().enumerate().find_map(|(index, fault)| {
            let happened = counts.get(&(key, index)).copied().unwrap_or(0);
            if fault.times.is_some_and(|times| happened >= times) {
                return None;
            }
            counts.insert((key, index), happened.saturating_add(1));
            Some(fault.kind.clone())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_happen_in_order_and_as_often_as_said() {
        let counters = FaultCounters::default();
        let http = |status| FaultKind::Http { status, retry_after: None };
        let faults =
            [Fault { kind: http(529), times: Some(2) }, Fault { kind: FaultKind::Cut, times: Some(1) }];
        let key = StepKey { conversation: 1, step: 0 };
        let seen: Vec<_> = (0..4).map(|_| counters.next(key, &faults)).collect();
        assert_eq!(seen, [Some(http(529)), Some(http(529)), Some(FaultKind::Cut), None]);
        assert_eq!(counters.next(StepKey { conversation: 1, step: 1 }, &faults), Some(http(529)));
        let always = [Fault { kind: FaultKind::Hang, times: None }];
        assert!((0..10).all(|_| counters.next(StepKey { conversation: 2, step: 0 }, &always).is_some()));
    }
}

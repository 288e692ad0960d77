//! Names that are nearly those of variables, sections or keys.

use super::reference;

/// How many letters may be wrong, missing, too many or swapped.
const FAULTS: usize = 2;

/// The variable that is meant by a name that is none but begins as one does.
pub(super) fn misspelt(name: &str) -> Option<&'static str> {
    let (first, _) = name.split_once('_')?;
    let mut names = reference::all().map(|variable| variable.name);
    let is_ours = names.any(|known| known.split_once('_').is_some_and(|(known, _)| known == first));
    if is_ours { nearest(name, reference::all().map(|variable| variable.name)) } else { None }
}

/// The nearest of these, if it is near.
pub(super) fn nearest<T: AsRef<str>>(name: &str, known: impl Iterator<Item = T>) -> Option<T> {
    known
        .map(|known| (strsim::osa_distance(name, known.as_ref()), known))
        .filter(|(distance, _)| *distance <= FAULTS)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

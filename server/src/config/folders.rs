//! Where things are kept. Commands beside `serve` look there as the server does.

use std::path::{Path, PathBuf};

use super::variables::{self, Faults, Reader};

pub(super) fn read_data_dir(read: &mut Reader<'_>) -> PathBuf {
    read.value("STORAGE_DATA_DIR", "data".into(), "a folder", |text| Some(text.into()))
}

pub(super) fn read_keys_file(read: &mut Reader<'_>) -> PathBuf {
    let usual = read_data_dir(read).join("keys.json");
    read.value("API_KEYS_FILE", usual, "a path", |text| Some(text.into()))
}

/// The data folder of a command that was perhaps told another one.
///
/// # Errors
/// Every fault, a line each.
pub(crate) fn data_dir(told: Option<&Path>) -> Result<PathBuf, Vec<String>> {
    read_one(read_data_dir).map(|found| told.map_or(found, Path::to_owned))
}

/// The file of the API keys, for a command that was perhaps told another one, or another data folder.
///
/// # Errors
/// Every fault, a line each.
pub(crate) fn keys_file(told: Option<&Path>, data_dir: Option<&Path>) -> Result<PathBuf, Vec<String>> {
    match (told, data_dir) {
        (Some(file), _) => Ok(file.to_owned()),
        (None, Some(folder)) => Ok(folder.join("keys.json")),
        (None, None) => read_one(read_keys_file),
    }
}

fn read_one<T>(read: impl FnOnce(&mut Reader<'_>) -> T) -> Result<T, Vec<String>> {
    let variables = variables::load()?;
    let mut faults = Faults::default();
    let value = read(&mut Reader { variables: &variables, faults: &mut faults });
    faults.into_result(value)
}

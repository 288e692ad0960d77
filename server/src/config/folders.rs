//! Where things are kept. Commands beside `serve` look there as the server does.

use std::path::{Path, PathBuf};

use super::layers::Layers;
use super::variables::{Faults, Reader};
use crate::cli::{DataArguments, ServeArguments};

pub(super) fn read_data_dir(read: &mut Reader<'_>) -> PathBuf {
    read.value("STORAGE_DATA_DIR", "data".into(), |text| Some(text.into()))
}

pub(super) fn read_agents_dir(read: &mut Reader<'_>) -> PathBuf {
    let usual = read_data_dir(read).join("agents");
    read.value("STORAGE_AGENTS_DIR", usual, |text| Some(text.into()))
}

pub(super) fn read_keys_file(read: &mut Reader<'_>) -> PathBuf {
    let usual = read_data_dir(read).join("keys.json");
    read.value("API_KEYS_FILE", usual, |text| Some(text.into()))
}

/// The data folder of a command that was perhaps told another one.
///
/// # Errors
/// Every fault, a line each.
pub(crate) fn data_dir(arguments: &DataArguments) -> Result<PathBuf, Vec<String>> {
    match &arguments.data_dir {
        Some(folder) => Ok(folder.clone()),
        None => read_one(arguments, read_data_dir),
    }
}

/// Whether the server that reads these keeps its tasks in Redis.
pub(crate) fn keeps_in_redis(arguments: &DataArguments) -> bool {
    let storage = read_one(arguments, super::storage::read_storage);
    storage.is_ok_and(|storage| matches!(storage, super::Storage::Redis(_)))
}

/// The file of the API keys, for a command that was perhaps told another one, or another data folder.
///
/// # Errors
/// Every fault, a line each.
pub(crate) fn keys_file(told: Option<&Path>, arguments: &DataArguments) -> Result<PathBuf, Vec<String>> {
    match (told, &arguments.data_dir) {
        (Some(file), _) => Ok(file.to_owned()),
        (None, Some(folder)) => Ok(folder.join("keys.json")),
        (None, None) => read_one(arguments, read_keys_file),
    }
}

fn read_one<T>(arguments: &DataArguments, read: impl FnOnce(&mut Reader<'_>) -> T) -> Result<T, Vec<String>> {
    let serve = ServeArguments { config: arguments.config.clone(), ..ServeArguments::default() };
    let layers = Layers::load(&serve);
    let mut faults = Faults::default();
    layers.faults().iter().for_each(|fault| faults.add(fault.clone()));
    let value = read(&mut Reader { layers: &layers, faults: &mut faults });
    faults.into_result(value)
}

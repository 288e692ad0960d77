//! The `.env` file.

use std::io::ErrorKind;
use std::path::Path;

use super::layers::{Layer, Origin};

/// What a `.env` file says; nothing when there is none.
pub(super) fn read(path: &Path) -> Layer {
    let mut layer = Layer::default();
    let unreadable = || ".env cannot be read: make it a text file that the server may read".to_owned();
    let entries = match dotenvy::from_path_iter(path) {
        Ok(entries) => entries,
        Err(dotenvy::Error::Io(error)) if error.kind() == ErrorKind::NotFound => return layer,
        Err(_) => {
            layer.faults.push(unreadable());
            layer.is_incomplete = true;
            return layer;
        }
    };
    for (number, entry) in (1..).zip(entries) {
        match entry {
            Ok((name, value)) => layer.take(&name, value, Origin::DotEnv),
            // The error holds the value, which may be a secret, and not the name.
            Err(dotenvy::Error::LineParse(..)) => {
                layer.is_incomplete = true;
                let fault = format!(".env: entry {number} is not NAME=value: quote values with spaces");
                layer.faults.push(fault);
            }
            Err(_) => {
                layer.faults.push(unreadable());
                layer.is_incomplete = true;
                break;
            }
        }
    }
    layer
}

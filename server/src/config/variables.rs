//! Reads single variables and gathers their faults.

use std::collections::HashMap;
use std::io::ErrorKind;

/// What is wrong, a line each.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<String>);

impl Faults {
    pub(super) fn add(&mut self, fault: String) {
        self.0.push(fault);
    }

    pub(super) fn into_result<T>(self, value: T) -> Result<T, Vec<String>> {
        if self.0.is_empty() { Ok(value) } else { Err(self.0) }
    }
}

/// The environment over the `.env` file of the current folder. An empty variable counts as not set.
///
/// # Errors
/// When there is a `.env` file that cannot be read.
pub(super) fn load() -> Result<HashMap<String, String>, Vec<String>> {
    let mut variables = HashMap::new();
    match dotenvy::from_path_iter(".env") {
        Ok(entries) => {
            for (place, entry) in entries.enumerate() {
                // The error itself holds the value, which may be a secret.
                let (name, value) = entry.map_err(|_| {
                    vec![format!(".env: entry {} is not NAME=value: quote values with spaces", place + 1)]
                })?;
                variables.insert(name, value);
            }
        }
        Err(dotenvy::Error::Io(error)) if error.kind() == ErrorKind::NotFound => {}
        Err(_) => {
            return Err(vec![".env cannot be read: make it a text file that the server may read".to_owned()]);
        }
    }
    for (name, value) in std::env::vars_os() {
        variables.insert(name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned());
    }
    variables.retain(|_, value| !value.is_empty());
    Ok(variables)
}

/// A JSON list or a comma-separated one.
pub(super) fn list(text: &str) -> Option<Vec<String>> {
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(text).ok();
    }
    Some(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect())
}

pub(super) struct Reader<'a> {
    pub(super) variables: &'a HashMap<String, String>,
    pub(super) faults: &'a mut Faults,
}

impl<'a> Reader<'a> {
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    pub(super) fn optional<T>(
        &mut self,
        name: &str,
        allowed: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(name)?;
        let value = parse(text);
        if value.is_none() {
            self.faults.add(format!("{name}={text:?}: must be {allowed}"));
        }
        value
    }

    pub(super) fn value<T>(
        &mut self,
        name: &str,
        default: T,
        allowed: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> T {
        self.optional(name, allowed, parse).unwrap_or(default)
    }

    pub(super) fn count<T>(&mut self, name: &str, default: T, min: u64, max: u64) -> T
    where
        T: TryFrom<u64>,
    {
        self.value(name, default, &format!("a whole number from {min} to {max}"), |text| {
            let number = text.parse::<u64>().ok().filter(|number| (min..=max).contains(number))?;
            T::try_from(number).ok()
        })
    }

    pub(super) fn flag(&mut self, name: &str, default: bool) -> bool {
        self.value(name, default, "true or false", |text| match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => None,
        })
    }
}

//! What is in force, and where it comes from.

use serde::Serialize;

use crate::config::reference::{self, Preset, Variable};
use crate::config::{Layers, Origin, without_password};

const MASK: &str = "***";

/// A variable that is in force.
#[derive(Debug, Serialize, PartialEq, Eq)]
pub(super) struct Effective {
    name: &'static str,
    /// `None` when nothing is set and no single value is the default.
    value: Option<String>,
    source: &'static str,
    /// The flag, or the file and its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<String>,
    /// What holds without a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
}

/// All variables of a server.
pub(super) fn effective(layers: &Layers) -> Vec<Effective> {
    let variables = reference::all().filter(|variable| variable.scope.is_layered());
    variables.map(|variable| one(variable, layers)).collect()
}

fn one(variable: &'static Variable, layers: &Layers) -> Effective {
    let name = variable.name;
    let Some(setting) = layers.get(name) else {
        let (value, note) = match variable.preset {
            Preset::Value(value) => (Some(value.to_owned()), None),
            Preset::Told(note) => (None, Some(note)),
        };
        return Effective { name, value, source: "default", place: None, note };
    };
    let (source, place) = match &setting.origin {
        Origin::Flag(flag) => ("flag", Some((*flag).to_owned())),
        Origin::Environment => ("environment", None),
        Origin::DotEnv => (".env", None),
        Origin::File { .. } => ("file", Some(setting.origin.to_string())),
    };
    let value = if variable.is_secret { MASK.to_owned() } else { without_password(setting.text.trim()) };
    Effective { name, value: Some(value), source, place, note: None }
}

/// For people: a line each.
pub(super) fn text(variables: &[Effective]) -> String {
    let width = variables.iter().map(|variable| variable.name.len()).max().unwrap_or_default();
    let line = |variable: &Effective| {
        let value = match (&variable.value, variable.note) {
            (Some(value), _) => value.replace('\n', "\\n"),
            (None, note) => format!("({})", note.unwrap_or_default()),
        };
        let origin = variable.place.as_deref().unwrap_or(variable.source);
        format!("{:width$}  {value}  [{origin}]\n", variable.name)
    };
    variables.iter().map(line).collect()
}

/// For programs.
pub(super) fn json(variables: &[Effective]) -> String {
    let document = serde_json::json!({ "variables": variables });
    format!("{document:#}\n")
}

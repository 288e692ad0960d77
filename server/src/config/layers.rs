//! Where values come from: flags go before the environment, that before `.env`, that before the configuration file.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt;
use std::path::Path;

use super::reference::{self, Scope, Variable};
use super::{dot_env, file, names};
use crate::cli::ServeArguments;

/// Names the configuration file.
const CONFIG_VARIABLE: &str = "CLAUDE_CODE_SERVER_CONFIG";
const CONFIG_FLAG: &str = "--config";

/// Where a value was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// On the command line, under this name.
    Flag(&'static str),
    /// In the process's environment.
    Environment,
    /// In the `.env` file of the current folder.
    DotEnv,
    /// In the configuration file.
    File {
        /// Its path, as it was given.
        path: String,
        /// Section and key.
        key: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => f.write_str(flag),
            Self::Environment => f.write_str("environment"),
            Self::DotEnv => f.write_str(".env"),
            Self::File { path, key } => write!(f, "{key} in {path}"),
        }
    }
}

/// A value and where it was found.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) text: String,
    pub(crate) origin: Origin,
}

/// What one layer says.
#[derive(Default)]
pub(super) struct Layer {
    pub(super) settings: BTreeMap<&'static str, Setting>,
    /// Variables that it means to set, but does not say so in a way that can be read.
    pub(super) unreadable: BTreeSet<&'static str>,
    /// Whether there is more that could not be read, so that nobody knows what it sets.
    pub(super) is_incomplete: bool,
    pub(super) faults: Vec<String>,
    pub(super) warnings: Vec<String>,
}

impl Layer {
    /// Takes a value of a variable that is known; warns of a name that looks like a known one.
    pub(super) fn take(&mut self, name: &str, text: String, origin: Origin) {
        match reference::find(name) {
            Some(variable) => {
                self.settings.insert(variable.name, Setting { text, origin });
            }
            None => self.warnings.extend(names::misspelt(name).map(|meant| {
                let place =
                    if origin == Origin::Environment { String::new() } else { format!(" ({origin})") };
                // A name may hold anything, and a warning is one line.
                format!(
                    "{}{place} is not a variable of this server: did you mean {meant}?",
                    name.escape_debug()
                )
            })),
        }
    }
}

/// All layers, the strongest value of each variable.
#[derive(Default)]
pub(crate) struct Layers {
    settings: BTreeMap<&'static str, Setting>,
    unreadable: BTreeSet<&'static str>,
    is_incomplete: bool,
    faults: Vec<String>,
    warnings: Vec<String>,
    asked: RefCell<BTreeSet<String>>,
}

impl Layers {
    /// What holds for this process.
    pub(crate) fn load(arguments: &ServeArguments) -> Self {
        Self::gather(arguments, std::env::vars_os(), Path::new(".env"))
    }

    pub(super) fn gather(
        arguments: &ServeArguments,
        environment: impl Iterator<Item = (OsString, OsString)>,
        dot_env: &Path,
    ) -> Self {
        let environment: Vec<_> = environment.collect();
        let named = |name: &str| {
            let found = environment.iter().find(|(known, _)| known.to_str() == Some(name));
            found.and_then(|(_, value)| value.to_str()).map(str::to_owned)
        };
        let mut layers = Self::default();
        layers.add(flags(arguments));
        layers.add(read_environment(&environment));
        layers.add(dot_env::read(dot_env, named));
        if let Some(Setting { text, origin }) = layers.get(CONFIG_VARIABLE).cloned() {
            let named_by = match origin {
                Origin::Flag(flag) => flag.to_owned(),
                Origin::Environment => CONFIG_VARIABLE.to_owned(),
                elsewhere => format!("{CONFIG_VARIABLE} ({elsewhere})"),
            };
            layers.add(file::read(&text, &named_by));
        }
        layers
    }

    /// Adds a layer below those that are there. An empty value counts as not set.
    fn add(&mut self, layer: Layer) {
        for (name, setting) in layer.settings {
            if !setting.text.trim().is_empty() {
                self.settings.entry(name).or_insert(setting);
            }
        }
        self.unreadable.extend(layer.unreadable);
        self.is_incomplete |= layer.is_incomplete;
        self.faults.extend(layer.faults);
        self.warnings.extend(layer.warnings);
    }

    /// A variable's strongest value.
    pub(crate) fn get(&self, name: &str) -> Option<&Setting> {
        self.asked.borrow_mut().insert(name.to_owned());
        self.settings.get(name)
    }

    /// A variable's value in the environment, of those that are read from nowhere else.
    pub(super) fn in_environment(&self, name: &str) -> Option<&str> {
        let setting = self.settings.get(name).filter(|setting| setting.origin == Origin::Environment)?;
        Some(setting.text.trim())
    }

    /// Variables that are read from the environment only, and were set elsewhere.
    pub(super) fn misplaced(&self) -> impl Iterator<Item = (&'static str, &Origin)> {
        let set = reference::all().filter(|variable| variable.scope == Scope::Exporter);
        set.filter_map(|variable| Some((variable.name, &self.settings.get(variable.name)?.origin)))
            .filter(|(_, origin)| **origin != Origin::Environment)
    }

    /// Whether somebody set it, or may have meant to in a way that could not be read.
    pub(super) fn is_meant(&self, name: &str) -> bool {
        self.settings.contains_key(name) || self.unreadable.contains(name) || self.is_incomplete
    }

    /// What is wrong with the layers themselves, a line each.
    pub(crate) fn faults(&self) -> &[String] {
        &self.faults
    }

    /// What is probably not meant, a line each.
    pub(crate) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Every name that was asked for.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.borrow().iter().cloned().collect()
    }
}

fn flags(arguments: &ServeArguments) -> Layer {
    let mut layer = Layer::default();
    let config = arguments.config.as_ref().map(|path| path.display().to_string());
    let values = [
        ("SERVER_HOST", "--host", arguments.host.clone()),
        ("SERVER_PORT", "--port", arguments.port.clone()),
        (CONFIG_VARIABLE, CONFIG_FLAG, config),
    ];
    for (name, flag, value) in values {
        if let Some(text) = value {
            layer.take(name, text, Origin::Flag(flag));
        }
    }
    layer
}

fn read_environment(environment: &[(OsString, OsString)]) -> Layer {
    let mut layer = Layer::default();
    for (name, value) in environment {
        let Some(name) = name.to_str() else { continue };
        match (value.to_str(), reference::find(name)) {
            (Some(text), _) => layer.take(name, text.to_owned(), Origin::Environment),
            (None, Some(Variable { name, .. })) => {
                layer.unreadable.insert(name);
                layer.faults.push(format!("{name} is not UTF-8: set it to text that is"));
            }
            (None, None) => {}
        }
    }
    layer
}

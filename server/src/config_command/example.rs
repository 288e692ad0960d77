//! The example files. Everything in them is commented out, so that they change nothing until somebody does.

use crate::config::reference::{self, GROUPS, Kind, Preset, Variable};

/// `.env.example`
pub(super) fn dot_env() -> String {
    let mut text = "\
# Copy this file to .env in the folder where the server is started, and take the # away from what you set.
# Made by `claude-code-server config example`; every variable is explained in docs/configuration.md.
"
    .to_owned();
    for group in &GROUPS {
        let variables = group.variables.iter().filter(|variable| variable.scope.is_layered());
        let lines: String = variables
            .map(|variable| format!("\n{}#{}={}\n", comment(variable), variable.name, preset(variable)))
            .collect();
        if !lines.is_empty() {
            text.push_str(&format!("\n# --- {} ---\n{lines}", group.title));
        }
    }
    text
}

/// `claude-code-server.example.toml`
pub(super) fn toml() -> String {
    let mut text = "\
# A configuration file: claude-code-server serve --config FILE. Take the # away from what you set.
# Made by `claude-code-server config example --toml`; every key is explained in docs/configuration.md.
"
    .to_owned();
    for section in sections() {
        text.push_str(&format!("\n[{section}]\n"));
        for (variable, key) in keys_of(&section) {
            text.push_str(&format!("\n{}#{key} = {}\n", comment(variable), toml_value(variable)));
        }
    }
    text
}

/// In the table's order.
fn sections() -> Vec<String> {
    let mut sections = Vec::new();
    for (section, _) in reference::all().filter_map(Variable::place) {
        if !sections.contains(&section) {
            sections.push(section);
        }
    }
    sections
}

fn keys_of(wanted: &str) -> impl Iterator<Item = (&'static Variable, String)> {
    reference::all().filter_map(move |variable| {
        let (section, key) = variable.place()?;
        (section == wanted).then_some((variable, key))
    })
}

fn comment(variable: &Variable) -> String {
    let unset = match variable.preset {
        Preset::Value(_) => String::new(),
        Preset::Told(words) => format!("; when not set: {words}"),
    };
    format!("# {} ({}{unset})\n", variable.help, variable.allowed())
}

fn preset(variable: &Variable) -> &'static str {
    match variable.preset {
        Preset::Value(value) => value,
        Preset::Told(_) => "",
    }
}

fn toml_value(variable: &Variable) -> String {
    match (variable.kind, preset(variable)) {
        (Kind::Flag, value) => value.to_owned(),
        // There is no number that stands for none.
        (Kind::Count { min, .. }, "") => min.to_string(),
        (Kind::Count { .. }, value) => value.to_owned(),
        (Kind::List(..), value) => {
            let items: Vec<_> = value.split(',').filter(|item| !item.is_empty()).map(quoted).collect();
            format!("[{}]", items.join(", "))
        }
        (Kind::Choice(_) | Kind::Text(_) | Kind::Number(_), value) => quoted(value),
    }
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

//! The reference page.

use crate::config::reference::{GROUPS, Preset, Scope, Variable};

const HEAD: &str = "\
# Configuration

Made by `claude-code-server config reference` from the table in the code; do not edit it.

A flag goes before an environment variable, that before the `.env` file of the current folder, that before the TOML file
(`--config FILE`, or `CLAUDE_CODE_SERVER_CONFIG`), that before the default. An empty value counts as not set. In the TOML file, the
first word of a variable's name is the section and the rest the key: `SERVER_PORT` is `port` in `[server]`. Numbers and booleans
are written without quotes there, lists as arrays; paths are relative to the folder in which the server is started.

A `.env` file is read as python-dotenv reads it: `NAME=value` a line, `export` before it and quotes around the value if you like, a
comment after a blank and `#`. `${NAME}` and `${NAME:-default}` stand for other variables, any other `$` for itself.

```sh
claude-code-server config check      # every fault, a line each; exit code 1 when there is one
claude-code-server config show       # what is in force, and where it comes from
claude-code-server doctor            # also looks at the CLI, the storage, the ports and the limits of the machine
```

[.env.example](../.env.example) and [claude-code-server.example.toml](claude-code-server.example.toml) hold all
that may be in a file, with the defaults where there are any.
";

/// The whole page.
pub(super) fn reference() -> String {
    let mut page = HEAD.to_owned();
    for group in &GROUPS {
        page.push_str(&format!("\n## {}\n\n", group.title));
        page.push_str("| variable | in the TOML file | default | value | |\n|---|---|---|---|---|\n");
        page.extend(group.variables.iter().map(row));
    }
    page
}

fn row(variable: &Variable) -> String {
    let place = match (variable.place(), variable.scope) {
        (Some((section, key)), _) => format!("`[{section}]` `{key}`"),
        (None, Scope::Client | Scope::Exporter) => "no: environment only".to_owned(),
        (None, _) => "no".to_owned(),
    };
    let default = match variable.preset {
        Preset::Value(value) => format!("`{value}`"),
        Preset::Told(words) => words.to_owned(),
    };
    let mut help = variable.help.to_owned();
    if variable.is_secret {
        help.push_str(" (secret)");
    }
    format!("| `{}` | {place} | {default} | {} | {help} |\n", variable.name, variable.allowed())
}

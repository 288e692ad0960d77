//! Every variable that this program reads, in one table. The checks, the reference page, the examples and the names in the
//! configuration file all come from it; what is read and not in it stops the start.

mod agents;
mod callers;
mod policy;
mod server;
mod storage;
mod tasks;
pub(crate) mod traces;

/// Variables that belong together.
#[derive(Debug)]
pub(crate) struct Group {
    /// A heading.
    pub(crate) title: &'static str,
    /// Its variables.
    pub(crate) variables: &'static [Variable],
}

/// The whole table, in the order in which it is shown.
pub(crate) const GROUPS: [Group; 11] = [
    Group { title: "Server", variables: &server::SERVER },
    Group { title: "Callers", variables: &callers::API },
    Group { title: "What callers may ask for", variables: &policy::POLICY },
    Group { title: "Model and credential", variables: &agents::CLAUDE },
    Group { title: "What agents may see", variables: &agents::PLACE },
    Group { title: "Sessions and their agents", variables: &agents::SESSION },
    Group { title: "Tasks", variables: &tasks::TASK },
    Group { title: "Storage", variables: &storage::STORAGE },
    Group { title: "Monitoring", variables: &server::MONITORING },
    Group { title: "Traces", variables: &traces::TRACES },
    Group { title: "The command `run`", variables: &callers::CLIENT },
];

/// All of the table's variables.
pub(crate) fn all() -> impl Iterator<Item = &'static Variable> {
    GROUPS.iter().flat_map(|group| group.variables)
}

/// The variable of that name.
pub(crate) fn find(name: &str) -> Option<&'static Variable> {
    all().find(|variable| variable.name == name)
}

/// What a value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Yes or no.
    Flag,
    /// A whole number.
    Count {
        /// What it is, with an article.
        noun: &'static str,
        /// The lowest.
        min: u64,
        /// The highest.
        max: u64,
    },
    /// Any number that this describes.
    Number(&'static str),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Text that this describes.
    Text(&'static str),
    /// Several texts, which the words describe.
    List(&'static str, Separator),
}

/// What stands between the parts of a list in a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Separator {
    /// Commas, or the whole is JSON.
    Comma,
    /// Colons, as in `PATH`.
    Colon,
}

/// What holds when nothing is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Preset {
    /// This value.
    Value(&'static str),
    /// No single value: what happens is told.
    Told(&'static str),
}

/// Who reads a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The server; it may also be in the configuration file.
    Server,
    /// The server, before there is a configuration file.
    Start,
    /// The command `run`, from the environment only.
    Client,
    /// The exporter of traces, from the environment only: what it reads is a standard of others.
    Exporter,
}

impl Scope {
    /// Whether the layers under the environment count, too.
    pub(crate) fn is_layered(self) -> bool {
        matches!(self, Self::Server | Self::Start)
    }
}

/// One variable.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Variable {
    /// Its name in the environment.
    pub(crate) name: &'static str,
    /// What it may be.
    pub(crate) kind: Kind,
    /// What holds without it.
    pub(crate) preset: Preset,
    /// What it does, in a line.
    pub(crate) help: &'static str,
    /// Whether its value is nobody's business.
    pub(crate) is_secret: bool,
    /// Who reads it.
    pub(crate) scope: Scope,
}

impl Variable {
    const fn new(name: &'static str, kind: Kind, preset: Preset, help: &'static str) -> Self {
        Self { name, kind, preset, help, is_secret: false, scope: Scope::Server }
    }

    const fn flag(name: &'static str, default: &'static str, help: &'static str) -> Self {
        Self::new(name, Kind::Flag, Preset::Value(default), help)
    }

    const fn count(name: &'static str, default: &'static str, range: (u64, u64), help: &'static str) -> Self {
        let kind = Kind::Count { noun: "a whole number", min: range.0, max: range.1 };
        Self::new(name, kind, Preset::Value(default), help)
    }

    const fn port(name: &'static str, default: &'static str, help: &'static str) -> Self {
        let kind = Kind::Count { noun: "a port", min: 0, max: 65_535 };
        Self::new(name, kind, Preset::Value(default), help)
    }

    const fn choice(
        name: &'static str,
        default: &'static str,
        choices: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self::new(name, Kind::Choice(choices), Preset::Value(default), help)
    }

    const fn text(name: &'static str, preset: Preset, allowed: &'static str, help: &'static str) -> Self {
        Self::new(name, Kind::Text(allowed), preset, help)
    }

    const fn preset(self, preset: Preset) -> Self {
        Self { preset, ..self }
    }

    const fn secret(self) -> Self {
        Self { is_secret: true, ..self }
    }

    const fn scope(self, scope: Scope) -> Self {
        Self { scope, ..self }
    }

    /// Its section and key in the configuration file, if it may be there: the name's first word and the others.
    pub(crate) fn place(&self) -> Option<(String, String)> {
        let (section, key) = self.name.split_once('_').filter(|_| self.scope == Scope::Server)?;
        Some((section.to_ascii_lowercase(), key.to_ascii_lowercase()))
    }

    /// What it may be, in words that follow "must be".
    pub(crate) fn allowed(&self) -> String {
        match self.kind {
            Kind::Flag => "true or false".to_owned(),
            Kind::Count { noun, min, max } => format!("{noun} from {min} to {max}"),
            Kind::Choice([one]) => (*one).to_owned(),
            Kind::Choice([one, other]) => format!("{one} or {other}"),
            Kind::Choice(choices) => format!("one of {}", choices.join(", ")),
            Kind::Number(allowed) | Kind::Text(allowed) | Kind::List(allowed, _) => allowed.to_owned(),
        }
    }
}

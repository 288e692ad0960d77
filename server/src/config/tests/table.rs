//! The table and the code say the same.

use std::collections::BTreeSet;

use clap::CommandFactory;

use super::super::reference::{self, Kind, Preset, Scope};
use super::*;

fn names(scope: impl Fn(Scope) -> bool) -> BTreeSet<String> {
    reference::all()
        .filter(|variable| scope(variable.scope))
        .map(|variable| variable.name.to_owned())
        .collect()
}

#[test]
fn what_is_read_is_in_the_table_and_what_is_in_the_table_is_read() {
    let layers = environment(&[]);
    Config::resolve(&layers, false).expect_err("no key");
    let asked: BTreeSet<_> = layers.asked().into_iter().collect();
    assert_eq!(asked, names(Scope::is_layered));
    let all = reference::all().count();
    assert_eq!(names(|_| true).len(), all, "no name is there twice");
}

#[test]
fn a_name_that_is_not_in_the_table_stops_the_start() {
    let layers = environment(&[]);
    layers.get("SERVER_COLOUR");
    let faults = Config::resolve(&layers, true).expect_err("a fault");
    assert_eq!(faults, ["SERVER_COLOUR is read and not in the table of variables: add it there"]);
}

/// Lines of the program's own code that read the environment.
fn lines_that_read_it(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() && !entry.ends_with("tests") {
            lines_that_read_it(&entry, found);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&entry).expect("text");
            found.extend(
                text.lines().filter(|line| line.contains("env::var")).map(|line| line.trim().to_owned()),
            );
        }
    }
}

#[test]
fn nobody_reads_the_environment_past_the_table() {
    let server = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    lines_that_read_it(&server.join("src"), &mut found);
    let crates = std::fs::read_dir(server.join("../crates")).expect("crates");
    crates.for_each(|one| lines_that_read_it(&one.expect("a crate").path().join("src"), &mut found));
    // How programs are found, how systemd is told, and what terminals want: none configures the server.
    let others = ["PATH", "NOTIFY_SOCKET", "NO_COLOR"].map(|name| format!("std::env::var_os({name:?})"));
    found.retain(|line| !others.iter().any(|other| line.contains(other)));
    assert_eq!(found, ["Self::gather(arguments, std::env::vars_os(), Path::new(\".env\"))"]);
}

#[test]
fn variables_of_the_command_line_are_in_the_table() {
    fn variables(command: &clap::Command, found: &mut BTreeSet<String>) {
        let names = command.get_arguments().filter_map(clap::Arg::get_env);
        found.extend(names.map(|name| name.to_string_lossy().into_owned()));
        command.get_subcommands().for_each(|command| variables(command, found));
    }
    let mut found = BTreeSet::new();
    variables(&crate::cli::Cli::command(), &mut found);
    assert_eq!(found, names(|scope| scope == Scope::Client));
}

#[test]
fn each_default_is_what_holds_when_nothing_is_set() {
    let nothing = format!("{:?}", resolve(true, &[]).expect("valid"));
    let mut seen = 0;
    for variable in reference::all() {
        let Preset::Value(value) = variable.preset else { continue };
        // Setting these is itself a wish: see the test of the limit and the metrics.
        let text = format!("{:?}", resolve(true, &[(variable.name, value)]).expect("valid"));
        let text = text
            .replace("loopback: Limited", "loopback: Spared")
            .replace("is_wanted: true", "is_wanted: false");
        assert_eq!(text, nothing, "{}", variable.name);
        seen += 1;
    }
    assert!(seen > 30, "{seen}");
}

#[test]
fn each_choice_and_both_ends_of_each_range_are_accepted_and_what_is_beyond_is_not() {
    // What others need.
    let room = ("SESSION_MAX_CONCURRENT", "10000");
    let key = ("API_API_KEY", "k");
    for variable in reference::all().filter(|variable| variable.scope == Scope::Server) {
        let set = |value: &str| {
            let mut variables = vec![(variable.name, value), key];
            if variable.name != room.0 {
                variables.push(room);
            }
            resolve(true, &variables)
        };
        match variable.kind {
            Kind::Flag => ["true", "false"].iter().for_each(|value| assert!(set(value).is_ok(), "{value}")),
            Kind::Choice(choices) => choices.iter().for_each(|value| assert!(set(value).is_ok(), "{value}")),
            Kind::Count { min, max, .. } => {
                assert!(set(&min.to_string()).is_ok() && set(&max.to_string()).is_ok(), "{}", variable.name);
                let beyond = [i128::from(min) - 1, i128::from(max) + 1];
                beyond
                    .iter()
                    .for_each(|value| assert!(set(&value.to_string()).is_err(), "{}", variable.name));
            }
            Kind::Number(_) | Kind::Text(_) | Kind::List(..) => {}
        }
    }
}

#[test]
fn sections_and_keys_of_the_file_tell_variables_apart() {
    let places: BTreeSet<_> = reference::all().filter_map(reference::Variable::place).collect();
    assert_eq!(places.len(), names(|scope| scope == Scope::Server).len());
    let port = reference::find("SERVER_PORT").and_then(reference::Variable::place);
    assert_eq!(port, Some(("server".into(), "port".into())));
}

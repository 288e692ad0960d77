//! Which layer goes before which, and what is wrong with each of them.

use std::os::unix::ffi::OsStringExt;

use super::*;

/// A folder with a `.env` and a TOML file, unless they are empty, and layers of it.
struct Place(tempfile::TempDir);

impl Place {
    fn new(dot_env: &str, toml: &str) -> Self {
        let place = Self(tempfile::tempdir().expect("a folder"));
        for (name, text) in [(".env", dot_env), ("c.toml", toml)] {
            if !text.is_empty() {
                std::fs::write(place.0.path().join(name), text).expect("written");
            }
        }
        place
    }

    fn file(&self) -> String {
        self.0.path().join("c.toml").display().to_string()
    }

    fn layers(&self, arguments: ServeArguments, variables: &[(&str, &str)]) -> Layers {
        let arguments = ServeArguments { config: Some(self.file().into()), ..arguments };
        let variables = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        Layers::gather(&arguments, variables, &self.0.path().join(".env"))
    }

    /// The faults, without the file's path.
    fn faults(&self, demo: bool, variables: &[(&str, &str)]) -> Vec<String> {
        let faults = Config::resolve(&self.layers(arguments(), variables), demo).expect_err("faults");
        faults.iter().map(|fault| fault.replace(&self.file(), "FILE")).collect()
    }
}

fn origin(layers: &Layers, name: &str) -> (String, Origin) {
    let setting = layers.get(name).expect("set");
    (setting.text.clone(), setting.origin.clone())
}

#[test]
fn a_json_list_may_stand_in_dot_env_with_and_without_quotes_around_it() {
    let read = |line: &str| {
        let place = Place::new(&format!("CLAUDE_DEFAULT_ALLOWED_TOOLS={line}\n"), "[server]\n");
        Config::resolve(&place.layers(arguments(), &[]), true).map(|config| config.defaults.allowed_tools)
    };
    let expected = ["Read", "Write", "Edit", "Bash"].map(str::to_owned).to_vec();
    // As the Python service's own file had it.
    assert_eq!(read(r#"["Read","Write","Edit","Bash"]"#), Ok(expected.clone()));
    assert_eq!(read(r#"["Read", "Write", "Edit", "Bash"]"#), Ok(expected.clone()));
    assert_eq!(read(r#"'["Read", "Write", "Edit", "Bash"]'"#), Ok(expected));
    assert_eq!(read(r#"["Bash(a,b)"]"#), Ok(vec!["Bash(a,b)".into()]));
    assert_eq!(read("[]"), Ok(vec![]));
    for broken in ["[1]", "[Read", r#"{"a":"Read"}"#, r#"'"Read"'"#] {
        assert!(read(broken).is_err(), "{broken}");
    }
}

#[test]
fn a_flag_goes_before_the_environment_that_before_dot_env_that_before_the_file() {
    let names = ["SERVER_HOST", "SERVER_WORKERS", "SERVER_DRAIN_SECONDS", "SERVER_LOG_LEVEL"];
    let place = Place::new(
        "SERVER_HOST=127.0.0.3\nSERVER_WORKERS=3\nSERVER_DRAIN_SECONDS=3\n",
        "[server]\nhost = \"127.0.0.4\"\nworkers = 4\ndrain_seconds = 4\nlog_level = \"ERROR\"\n",
    );
    let flags = ServeArguments { host: Some("127.0.0.1".into()), ..arguments() };
    // An empty one counts as not set.
    let variables = [("SERVER_HOST", "127.0.0.2"), ("SERVER_WORKERS", "2"), ("SERVER_LOG_LEVEL", " ")];
    let layers = place.layers(flags, &variables);
    let file = Origin::File { path: place.file(), key: "server.log_level".into() };
    assert_eq!(
        names.map(|name| origin(&layers, name)),
        [
            ("127.0.0.1".into(), Origin::Flag("--host")),
            ("2".into(), Origin::Environment),
            ("3".into(), Origin::DotEnv),
            ("ERROR".into(), file),
        ]
    );
    let config = Config::resolve(&layers, true).expect("valid");
    assert_eq!((config.workers, config.drain.as_secs(), config.log_level.as_str()), (2, 3, "ERROR"));
}

#[test]
fn the_file_is_found_by_flag_environment_or_dot_env() {
    let place = Place::new("", "[session]\nmax_concurrent = 4\n");
    let named_by = |variables: Vec<(OsString, OsString)>, dot_env: &str| {
        let env = Place::new(dot_env, "");
        let layers = Layers::gather(&arguments(), variables.into_iter(), &env.0.path().join(".env"));
        Config::resolve(&layers, true).expect("valid").max_agents
    };
    let name = "CLAUDE_CODE_SERVER_CONFIG";
    assert_eq!(named_by(vec![(name.into(), place.file().into())], ""), 4);
    assert_eq!(named_by(vec![], &format!("{name}={}\n", place.file())), 4);
    assert_eq!(named_by(vec![], ""), 10);
}

#[test]
fn all_kinds_of_values_are_written_natively() {
    let place = Place::new(
        "",
        "[server]\nallow_insecure = true\nport = 0x1f90\n[claude]\ndefault_allowed_tools = [\"Read\", \"Bash(a,b)\"]\n\
         api_key = 'sk-1'\n[workspace]\nroots = [\"/\", \".\"]\n[storage]\nkeep_tasks = 18_446_744_073_709_551_615\n\
         instance_labels = [\"gpu\", \"zone=a\"]\n[policy]\nmax_budget_usd = 2.5\n",
    );
    let config = Config::resolve(&place.layers(arguments(), &[]), false).expect("valid");
    let labels: Vec<_> = config.labels.iter().map(ToString::to_string).collect();
    assert_eq!(
        (labels, config.policy.max_budget_usd),
        (vec!["gpu".to_owned(), "zone=a".to_owned()], Some(2.5))
    );
    assert_eq!(config.defaults.allowed_tools, ["Read", "Bash(a,b)"]);
    assert_eq!((config.port, config.workspace_roots), (8080, vec!["/".into(), ".".into()]));
    assert_eq!(config.retention.max_tasks, u64::MAX);
    assert!(matches!(config.credential, Some(Credential::ApiKey(_))));
}

#[test]
fn faults_of_all_layers_come_at_once_and_say_where() {
    let place = Place::new(
        "SESSION_MAX_CONCURRENT=many\nCLAUDE_API_KEY=\"sk-hidden\n",
        "prt = 1\n[server]\nprot = 1\nport = \"8000\"\nworkers = 0\nallow_insecure = 1\ncolour = 'red'\n[severs]\n[colours]\n\
         [claude]\ndefault_allowed_tools = 'Read'\n[workspace]\nroots = ['a:b']\n[task]\nmax_queue_size = true\n\
         on_stall = 1.5\n[api]\nauth_type = 'none'\n",
    );
    let flags = ServeArguments { port: Some("http".into()), ..arguments() };
    let layers = place.layers(flags, &[("TASK_MAX_ATTEMPTS", "0")]);
    let faults = Config::resolve(&layers, false).expect_err("faults");
    let mut faults: Vec<_> = faults.iter().map(|fault| fault.replace(&place.file(), "FILE")).collect();
    faults.sort();
    assert_eq!(
        faults,
        [
            ".env line 2 opens a quote that is not closed: close it, or put a backslash before each quote within it",
            "API_AUTH_TYPE=\"none\" (api.auth_type in FILE): must be bearer or jwt",
            "FILE line 11: claude.default_allowed_tools must be a list of texts in quotes, such as [\"a\", \"b\"]",
            "FILE line 13: workspace.roots must be a list of texts without colons",
            "FILE line 15: task.max_queue_size must be a whole number, without quotes",
            "FILE line 16: task.on_stall must be text in quotes",
            "FILE line 1: prt is in no section: put it below [section]",
            "FILE line 3: server.prot is not known: did you mean server.port?",
            "FILE line 4: server.port must be a whole number, without quotes",
            "FILE line 6: server.allow_insecure must be true or false, without quotes",
            "FILE line 7: server.colour is not known: see `claude-code-server config reference`",
            "FILE line 8: section [severs] is not known: did you mean [server]?",
            "FILE line 9: section [colours] is not known: there are agent, anthropic, api, claude, monitoring, policy, server, \
             session, storage, task, workspace",
            "SERVER_PORT=\"http\" (--port): must be a port from 0 to 65535",
            "SERVER_WORKERS=\"0\" (server.workers in FILE): must be a whole number from 1 to 512",
            "SESSION_MAX_CONCURRENT=\"many\" (.env): must be a whole number from 1 to 10000",
            "TASK_MAX_ATTEMPTS=\"0\": must be a whole number from 1 to 10",
        ]
    );
}

#[test]
fn a_file_that_is_no_toml_names_the_line_and_shows_nothing_of_it() {
    let place = Place::new("", "[claude]\napi_key = sk-hidden\n[server]\nport 8000\nworkers = 0\n");
    let faults = place.faults(false, &[]);
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults[0].starts_with("FILE line 2 is not TOML ("), "{faults:?}");
    assert!(faults[1].starts_with("FILE line 4 is not TOML ("), "{faults:?}");
    assert!(!faults.concat().contains("hidden"), "{faults:?}");
}

#[test]
fn a_fault_stays_one_line_whatever_a_name_holds() {
    let place = Place::new("", "server = 1\n[task]\n\"a\\nb\" = 1\n[\"c\\nd\"]\n");
    let faults = place.faults(true, &[("SERVER_\nPORT", "1")]);
    let start = |fault: &String| fault.split(": ").take(2).collect::<Vec<_>>().join(": ");
    let mut starts: Vec<_> = faults.iter().map(start).collect();
    starts.sort();
    assert_eq!(
        starts,
        [
            "FILE line 1: server is a section",
            "FILE line 3: task.a\\nb is not known",
            "FILE line 4: section [c\\nd] is not known",
        ]
    );
    assert!(environment(&[("SERVER_\nPORT", "1")]).warnings()[0].starts_with("SERVER_\\nPORT is not"));
}

#[test]
fn a_secret_of_the_wrong_type_is_neither_shown_nor_said_to_be_missing() {
    let place = Place::new("", "[claude]\napi_key = 424242\n");
    assert_eq!(place.faults(false, &[]), ["FILE line 2: claude.api_key must be text in quotes"]);
}

#[test]
fn a_file_that_is_not_there_is_a_fault_that_says_who_named_it() {
    let place = Place::new("", "");
    assert_eq!(
        place.faults(true, &[]),
        [
            "FILE cannot be read (No such file or directory (os error 2)): correct --config, or make it a file that the \
          server may read"
        ]
    );
    let missing = [("CLAUDE_CODE_SERVER_CONFIG", "/nowhere/c.toml")];
    let faults = resolve(true, &missing).expect_err("a fault");
    assert!(faults[0].contains("correct CLAUDE_CODE_SERVER_CONFIG,"), "{faults:?}");
}

#[test]
fn a_dot_env_that_is_a_folder_or_a_value_that_is_no_text_is_a_fault() {
    let place = Place::new("", "");
    std::fs::create_dir(place.0.path().join(".env")).expect("made");
    let bytes = OsString::from_vec(vec![0xff]);
    let variables = [("STORAGE_DATA_DIR".into(), bytes.clone()), ("OTHER".into(), bytes)];
    let layers = Layers::gather(&arguments(), variables.into_iter(), &place.0.path().join(".env"));
    assert_eq!(
        Config::resolve(&layers, true).expect_err("faults"),
        [
            "STORAGE_DATA_DIR is not UTF-8: set it to text that is",
            ".env cannot be read: make it a text file that the server may read",
        ]
    );
}

#[test]
fn names_that_look_like_ours_are_warned_about_and_others_are_not() {
    let place = Place::new("TASK_MAX_QUEUE_SIZ=1\nCOLOUR=red\n", "[server]\n");
    let variables = [
        ("SERVER_PROT", "1"),
        ("SESSION_MANAGER", "local/host"),
        ("CLAUDE_SERVER_URL", "http://x"),
        ("AGENT_PROCESS_OWNER", "x"),
        ("XERVER_PORT", "1"),
    ];
    let config = Config::resolve(&place.layers(arguments(), &variables), true).expect("valid");
    assert_eq!(
        config.warnings,
        [
            "SERVER_PROT is not a variable of this server: did you mean SERVER_PORT?",
            "TASK_MAX_QUEUE_SIZ (.env) is not a variable of this server: did you mean TASK_MAX_QUEUE_SIZE?",
        ]
    );
}

#[test]
fn traces_are_on_with_an_endpoint_in_the_environment_and_nowhere_else() {
    let is_on = |variables: &[_]| resolve(true, variables).expect("valid").traces;
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
    assert!(!is_on(&[]) && !is_on(&[("OTEL_SERVICE_NAME", "x")]) && !is_on(&[(endpoint.0, " ")]));
    assert!(is_on(&[endpoint]) && is_on(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint.1)]));
    assert!(is_on(&[endpoint, ("OTEL_SDK_DISABLED", "false")]));
    assert!(!is_on(&[endpoint, ("OTEL_SDK_DISABLED", "TRUE")]));
    let folder = tempfile::tempdir().expect("a folder");
    let dot_env = folder.path().join(".env");
    std::fs::write(&dot_env, format!("{}={}\n", endpoint.0, endpoint.1)).expect("written");
    let config = Config::resolve(&Layers::gather(&arguments(), std::iter::empty(), &dot_env), true);
    let config = config.expect("valid");
    let warning =
        "OTEL_EXPORTER_OTLP_ENDPOINT (.env) is without effect: it is read from the environment only";
    assert_eq!((config.traces, config.warnings), (false, vec![warning.to_owned()]));
}

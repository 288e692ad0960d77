mod layers;
mod table;
mod wrong_values;

use std::ffi::OsString;
use std::path::Path;

use domain::{PermissionMode, Policy};
use http_api::{CorsOrigins, TrustedProxies};

use super::*;
use crate::transport::{ConnectionLimits, UnixSocket};

fn arguments() -> ServeArguments {
    ServeArguments::default()
}

/// Layers of an environment alone.
fn environment(variables: &[(&str, &str)]) -> Layers {
    let variables = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    Layers::gather(&arguments(), variables, Path::new("/nowhere/.env"))
}

fn resolve(demo: bool, variables: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    Config::resolve(&environment(variables), demo)
}

#[test]
fn defaults_are_those_of_the_contract() {
    let config = resolve(true, &[]).expect("valid");
    assert_eq!((config.host, config.port), (IpAddr::V4(Ipv4Addr::LOCALHOST), 8000));
    assert_eq!((config.max_agents, config.max_pending), (10, 100));
    assert_eq!(
        config.defaults,
        TaskDefaults {
            allowed_tools: ["Read", "Write", "Edit", "Bash"].map(str::to_owned).to_vec(),
            permission_mode: PermissionMode::AcceptEdits,
            max_turns: 50,
            timeout: Duration::from_secs(3600),
            model: None,
            policy: Policy::default(),
        }
    );
    assert!(config.auth.is_none() && config.credential.is_none());
    assert!(matches!(config.storage, Storage::Sqlite(Sync::Normal)));
    let life = config.agent_life;
    assert_eq!((life.idle_timeout.as_secs(), life.cleanup_interval.as_secs(), life.prewarm), (1800, 300, 0));
}

#[test]
fn all_faults_are_reported_at_once_with_name_value_and_remedy() {
    let faults = resolve(
        false,
        &[
            ("SERVER_HOST", "somewhere"),
            ("SERVER_PORT", "70000"),
            ("SERVER_WORKERS", "0"),
            ("SERVER_LOG_LEVEL", "loud"),
            ("MONITORING_LOGGING_FORMAT", "xml"),
            ("API_AUTH_ENABLED", "maybe"),
            ("CLAUDE_DEFAULT_PERMISSION_MODE", "yolo"),
            ("CLAUDE_DEFAULT_ALLOWED_TOOLS", "[1]"),
            ("CLAUDE_MAX_TURNS", "-1"),
            ("SESSION_MAX_CONCURRENT", "0"),
            ("SESSION_IDLE_TIMEOUT_SECONDS", "soon"),
            ("SESSION_PREWARM", "-1"),
            ("TASK_STALL_AFTER_SECONDS", "0"),
            ("TASK_ON_RESTART", "hope"),
            ("TASK_MAX_ATTEMPTS", "99"),
            ("STORAGE_TYPE", "paper"),
            ("STORAGE_SYNC", "sometimes"),
            ("STORAGE_KEEP_DAYS", "a month"),
            ("WORKSPACE_ROOTS", "/nowhere/at/all"),
            ("AGENT_SETTING_SOURCES", "project,everything"),
            ("SERVER_PUBLIC_URL", "agents.example.com"),
        ],
    )
    .expect_err("faults");
    let names: Vec<_> =
        faults.iter().map(|fault| fault.split(['=', ' ']).next().unwrap_or_default()).collect();
    assert_eq!(
        names,
        [
            "SERVER_HOST",
            "SERVER_PORT",
            "SERVER_WORKERS",
            "SERVER_LOG_LEVEL",
            "MONITORING_LOGGING_FORMAT",
            "API_AUTH_ENABLED",
            "SERVER_PUBLIC_URL",
            "CLAUDE_API_KEY",
            "AGENT_SETTING_SOURCES",
            "CLAUDE_DEFAULT_ALLOWED_TOOLS",
            "CLAUDE_DEFAULT_PERMISSION_MODE",
            "CLAUDE_MAX_TURNS",
            "TASK_MAX_ATTEMPTS",
            "TASK_ON_RESTART",
            "SESSION_MAX_CONCURRENT",
            "SESSION_IDLE_TIMEOUT_SECONDS",
            "TASK_STALL_AFTER_SECONDS",
            "SESSION_PREWARM",
            "STORAGE_SYNC",
            "STORAGE_TYPE",
            "STORAGE_KEEP_DAYS",
            "WORKSPACE_ROOTS",
        ]
    );
    assert_eq!(faults[1], "SERVER_PORT=\"70000\": must be a port from 0 to 65535");
}

#[test]
fn the_network_is_let_in_only_with_a_key_or_when_that_is_meant() {
    let open = resolve(true, &[("SERVER_HOST", "0.0.0.0")]).expect_err("a fault");
    assert!(open[0].starts_with("SERVER_HOST=0.0.0.0 opens the server"), "{open:?}");
    assert!(resolve(true, &[("SERVER_HOST", "0.0.0.0"), ("SERVER_ALLOW_INSECURE", "true")]).is_ok());
    let key = [("SERVER_HOST", "::"), ("API_AUTH_ENABLED", "true"), ("API_API_KEY", "k")];
    assert!(resolve(true, &key).is_ok());
    let no_key = resolve(true, &[("API_AUTH_ENABLED", "true")]).expect_err("a fault");
    assert_eq!(
        no_key,
        [
            "API_AUTH_ENABLED=true needs API_API_KEY, set to a long random text, or a key made with `claude-code-server keys create`"
        ]
    );
}

#[test]
fn a_limit_that_nobody_asked_for_spares_this_machine_and_metrics_need_no_port_that_nobody_asked_for() {
    let limit = |variables: &[(&str, &str)]| {
        let limit = resolve(true, variables).expect("valid").rate_limit;
        (limit.per_minute.map(NonZeroU32::get), limit.loopback)
    };
    assert_eq!(limit(&[]), (Some(100), Loopback::Spared));
    assert_eq!(limit(&[("API_RATE_LIMIT_ENABLED", "true")]), (Some(100), Loopback::Limited));
    assert_eq!(limit(&[("API_RATE_LIMIT_PER_MINUTE", "7")]), (Some(7), Loopback::Limited));
    let off = [("API_RATE_LIMIT_ENABLED", "false"), ("API_RATE_LIMIT_PER_MINUTE", "7")];
    assert_eq!(limit(&off), (None, Loopback::Limited));
    let metrics = |variables: &[(&str, &str)]| resolve(true, variables).expect("valid").monitoring;
    assert_eq!(metrics(&[]), Some(Monitoring { port: 9090, is_wanted: false }));
    let asked = [("MONITORING_PROMETHEUS_PORT", "9090")];
    assert_eq!(metrics(&asked), Some(Monitoring { port: 9090, is_wanted: true }));
    assert_eq!(metrics(&[("MONITORING_PROMETHEUS_ENABLED", "false")]), None);
    let wrong = [("API_RATE_LIMIT_PER_MINUTE", "0"), ("MONITORING_PROMETHEUS_PORT", "x")];
    assert_eq!(
        resolve(true, &wrong).expect_err("faults"),
        [
            "API_RATE_LIMIT_PER_MINUTE=\"0\": must be a whole number from 1 to 4294967295",
            "MONITORING_PROMETHEUS_PORT=\"x\": must be a port from 0 to 65535",
        ]
    );
}

#[test]
fn tokens_need_one_source_of_keys_and_published_ones_an_issuer_and_an_audience() {
    let jwt = |more: &[(&str, &str)]| {
        let variables = [&[("API_AUTH_ENABLED", "true"), ("API_AUTH_TYPE", "jwt")], more].concat();
        resolve(true, &variables).map(|config| config.auth.is_some())
    };
    let secret = ("API_JWT_SECRET", "0123456789abcdef0123456789abcdef");
    let url = ("API_JWT_JWKS_URL", "https://issuer.example/keys");
    assert_eq!(jwt(&[secret]), Ok(true));
    assert_eq!(
        jwt(&[url, ("API_JWT_ISSUER", "https://issuer.example"), ("API_JWT_AUDIENCE", "a,b")]),
        Ok(true)
    );
    let faults = [
        (jwt(&[]), "API_AUTH_TYPE=jwt needs API_JWT_SECRET, API_JWT_JWKS_FILE or API_JWT_JWKS_URL"),
        (
            jwt(&[secret, url]),
            "API_JWT_SECRET, API_JWT_JWKS_FILE and API_JWT_JWKS_URL exclude each other: set one of them",
        ),
        (
            jwt(&[url]),
            "API_JWT_ISSUER and API_JWT_AUDIENCE are needed with keys that an issuer publishes: set both",
        ),
        (jwt(&[("API_JWT_SECRET", "short")]), "API_JWT_SECRET: must have at least 32 characters"),
    ];
    for (found, fault) in faults {
        assert_eq!(found, Err(vec![fault.to_owned()]));
    }
    let half = resolve(true, &[("STORAGE_REDIS_TLS_KEY_FILE", "key.pem")]).map(|_| ());
    let fault = "STORAGE_REDIS_TLS_CERT_FILE and STORAGE_REDIS_TLS_KEY_FILE are set together or not at all";
    assert_eq!(half, Err(vec![fault.to_owned()]));
    let nobody = resolve(true, &[("API_AUTH_TYPE", "jwt")]).map(|config| config.auth.is_none());
    assert_eq!(nobody, Ok(true), "it is not enabled");
    assert_eq!(
        resolve(true, &[("API_AUTH_TYPE", "basic")]).map(|_| ()),
        Err(vec!["API_AUTH_TYPE=\"basic\": must be bearer or jwt".to_owned()])
    );
}

#[test]
fn callers_are_bounded_as_the_operator_says() {
    let policy = |variables: &[(&str, &str)]| resolve(true, variables).map(|config| config.policy);
    assert_eq!(policy(&[]), Ok(CallerPolicy::default()));
    let given = [
        ("POLICY_PERMISSION_MODES", "default, plan"),
        ("CLAUDE_DEFAULT_PERMISSION_MODE", "dontAsk"),
        ("POLICY_ALLOWED_TOOLS", "Read,Bash(git *)"),
        ("POLICY_MODELS", "sonnet"),
        ("POLICY_MAX_TURNS", "5"),
        ("POLICY_MAX_TIMEOUT_SECONDS", "60"),
        ("POLICY_MAX_BUDGET_USD", "0.5"),
        ("POLICY_OPTIONS", "agents"),
    ];
    let expected = CallerPolicy {
        permission_modes: vec![PermissionMode::Default, PermissionMode::Plan, PermissionMode::DontAsk],
        tools: Some(vec!["Read".into(), "Bash(git *)".into()]),
        models: Some(vec!["sonnet".into()]),
        max_turns: Some(5),
        max_timeout: Some(Duration::from_secs(60)),
        max_budget_usd: Some(0.5),
        options: vec!["agents"],
    };
    assert_eq!(policy(&given), Ok(expected));
    let wrong = ["POLICY_PERMISSION_MODES", "POLICY_MAX_TURNS", "POLICY_MAX_BUDGET_USD", "POLICY_OPTIONS"];
    let faults = policy(&wrong.map(|name| (name, "x"))).expect_err("faults");
    assert_eq!(faults.len(), wrong.len(), "{faults:?}");
    assert!(wrong.iter().zip(&faults).all(|(name, fault)| fault.starts_with(name)), "{faults:?}");
}

#[test]
fn secrets_cannot_be_printed() {
    let config = resolve(
        false,
        &[
            ("CLAUDE_API_KEY", "sk-1"),
            ("API_AUTH_ENABLED", "1"),
            ("API_API_KEY", "k-2"),
            ("API_AUTH_TYPE", "jwt"),
            ("API_JWT_SECRET", "s3-0123456789abcdef0123456789abcdef"),
        ],
    );
    let printed = format!("{config:?}");
    assert!(["sk-1", "k-2", "s3-"].iter().all(|secret| !printed.contains(secret)), "{printed}");
}

#[test]
fn lists_are_json_or_separated_by_commas() {
    assert_eq!(
        variables::list("[\"Read\", \"Bash(git *)\"]"),
        Some(vec!["Read".into(), "Bash(git *)".into()])
    );
    assert_eq!(variables::list("Read, Bash"), Some(vec!["Read".into(), "Bash".into()]));
    let rules = Some(vec!["Read".into(), "Bash(a,(b,c))".into(), "Edit".into()]);
    assert_eq!(variables::list("Read, Bash(a,(b,c)),Edit"), rules);
    assert_eq!(variables::list("[Read,Bash(a,(b,c)),Edit]"), rules, "what a shell leaves of a JSON list");
    for broken in ["[1]", "{\"Read\":true}", "\"Read\"", "[Bash(a]"] {
        assert_eq!(variables::list(broken), None, "{broken}");
    }
}

#[test]
fn defaults_are_checked_as_what_requests_ask_for() {
    let tools = |text: &str| {
        resolve(true, &[("CLAUDE_DEFAULT_ALLOWED_TOOLS", text)]).map(|config| config.defaults.allowed_tools)
    };
    assert_eq!(tools("Read,Bash(git *,x)"), Ok(vec!["Read".into(), "Bash(git *,x)".into()]));
    for wrong in ["Read Write", "[\"Read,Write\"]", "Bash(a", "-x", "[\"\"]"] {
        assert_eq!(tools(wrong).map_err(|faults| faults.len()), Err(1), "{wrong}");
    }
    for wrong in ["--x", "a,b", "a b"] {
        let fault = format!("CLAUDE_DEFAULT_MODEL={wrong:?}: must be a model's name");
        assert_eq!(resolve(true, &[("CLAUDE_DEFAULT_MODEL", wrong)]).map(|_| ()), Err(vec![fault]));
    }
}

#[test]
fn a_unix_socket_is_the_only_way_in_unless_a_port_is_asked_for() {
    let transport = |variables: &[(&str, &str)]| resolve(true, variables).expect("valid").transport;
    let ways = |variables: &[(&str, &str)]| {
        let transport = transport(variables);
        (transport.tcp, transport.unix_socket)
    };
    let path = ("SERVER_UNIX_SOCKET", "/run/ccs.sock");
    let socket = |mode| Some(UnixSocket { path: path.1.into(), mode });
    assert_eq!(ways(&[]), (true, None));
    assert_eq!(ways(&[path]), (false, socket(0o660)));
    assert_eq!(ways(&[path, ("SERVER_PORT", "8000")]), (true, socket(0o660)));
    // The network is not let in by a host that is not listened at.
    let open = [path, ("SERVER_UNIX_SOCKET_MODE", "600"), ("SERVER_HOST", "*")];
    assert_eq!(ways(&open), (false, socket(0o600)));
    assert!(resolve(true, &[path, ("SERVER_HOST", "*"), ("SERVER_PORT", "1")]).is_err());
}

#[test]
fn proxies_origins_and_limits_are_as_they_were_listed() {
    let variables = [
        ("SERVER_TRUSTED_PROXIES", "unix, 127.0.0.1, 10.0.0.0/8, ::1"),
        ("API_CORS_ORIGINS", "https://App.example.com, http://localhost:3000"),
        ("SERVER_MAX_CONNECTIONS_PER_ADDRESS", "7"),
    ];
    let transport = resolve(true, &variables).expect("valid").transport;
    let networks =
        ["127.0.0.1/32", "10.0.0.0/8", "::1/128"].map(|network| network.parse().expect("a network"));
    assert_eq!(transport.proxies, TrustedProxies { networks: networks.to_vec(), unix_socket: true });
    let origins = ["https://app.example.com", "http://localhost:3000"].map(str::to_owned);
    assert_eq!(transport.cors, CorsOrigins::Also(origins.to_vec()));
    let limits = ConnectionLimits { all: 4096, per_address: 7, loopback: Loopback::Limited };
    assert_eq!(transport.limits, limits);
}

#[test]
fn all_web_pages_are_let_in_only_with_authentication_and_tls_needs_both_files() {
    let fault = |variables: &[(&str, &str)]| resolve(true, variables).map(|_| ()).expect_err("a fault");
    assert_eq!(
        fault(&[("API_CORS_ORIGINS", "*")]),
        [
            "API_CORS_ORIGINS=\"*\": lets every web page use this server without authentication: name the origins, or set \
          API_AUTH_ENABLED=true"
        ]
    );
    let key = [("API_CORS_ORIGINS", "*"), ("API_AUTH_ENABLED", "true"), ("API_API_KEY", "k")];
    assert_eq!(resolve(true, &key).expect("valid").transport.cors, CorsOrigins::Any);
    assert_eq!(
        fault(&[("SERVER_TLS_KEY_FILE", "key.pem")]),
        ["SERVER_TLS_KEY_FILE=\"key.pem\": needs SERVER_TLS_CERT_FILE, the key's certificate"]
    );
}

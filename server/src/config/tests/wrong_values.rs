//! A wrong value of every variable that can have one, alone and all together.

use super::super::reference::{self, Kind, Scope, Variable};
use super::*;

/// Wrong values of variables whose table row tells what they may be in words only.
const OF_TEXTS: [(&str, &str); 30] = [
    ("SERVER_HOST", "somewhere"),
    ("SERVER_PUBLIC_URL", "agents.example.com"),
    ("SERVER_UNIX_SOCKET_MODE", "0888"),
    ("SERVER_TLS_CERT_FILE", "/nowhere/certificate.pem"),
    ("SERVER_TLS_KEY_FILE", "/nowhere/key.pem"),
    ("SERVER_TRUSTED_PROXIES", "10.0.0.0/8,somewhere"),
    ("API_CORS_ORIGINS", "https://app.example.com,app.example.com/path"),
    ("API_JWT_SECRET", "hidden"),
    ("API_JWT_JWKS_URL", "http://issuer.example/keys"),
    ("API_JWT_AUDIENCE", "[1]"),
    ("WORKSPACE_ROOTS", "/nowhere/at/all"),
    ("CLAUDE_API_KEY", "sk-hidden \u{1}1"),
    ("ANTHROPIC_API_KEY", "sk-hidden 2"),
    ("ANTHROPIC_AUTH_TOKEN", "sk-hidden 3"),
    ("CLAUDE_CODE_OAUTH_TOKEN", "sk-hidden 4"),
    ("CLAUDE_BASE_URL", "gateway.example.com"),
    ("CLAUDE_DEFAULT_MODEL", "two words"),
    ("CLAUDE_DEFAULT_ALLOWED_TOOLS", "Read,--x"),
    ("CLAUDE_CLI_PATH", "/nowhere/claude"),
    ("AGENT_SETTING_SOURCES", "project,everything"),
    ("POLICY_PERMISSION_MODES", "plan,yolo"),
    ("POLICY_ALLOWED_TOOLS", "[1]"),
    ("POLICY_MODELS", "[1]"),
    ("POLICY_MAX_BUDGET_USD", "0"),
    ("POLICY_OPTIONS", "agents,everything"),
    ("STORAGE_REDIS_URL", "http://redis"),
    ("STORAGE_REDIS_PREFIX", "ccs"),
    ("STORAGE_REDIS_SENTINELS", "sentinel"),
    ("STORAGE_INSTANCE_NAME", "a b"),
    ("STORAGE_INSTANCE_LABELS", "a b"),
];

/// Variables of which any text is right.
const ANYTHING: [&str; 17] = [
    "SERVER_UNIX_SOCKET",
    "API_API_KEY",
    "API_KEYS_FILE",
    "API_JWT_JWKS_FILE",
    "API_JWT_ISSUER",
    "API_JWT_SCOPE_CLAIM",
    "STORAGE_DATA_DIR",
    "STORAGE_AGENTS_DIR",
    "STORAGE_REDIS_HOST",
    "STORAGE_REDIS_USERNAME",
    "STORAGE_REDIS_PASSWORD",
    "STORAGE_REDIS_TLS_CA_FILE",
    "STORAGE_REDIS_TLS_CERT_FILE",
    "STORAGE_REDIS_TLS_KEY_FILE",
    "STORAGE_REDIS_SENTINEL_MASTER",
    "STORAGE_REDIS_SENTINEL_USERNAME",
    "STORAGE_REDIS_SENTINEL_PASSWORD",
];

fn wrong_value(variable: &Variable) -> Option<&'static str> {
    match variable.kind {
        Kind::Flag => Some("maybe"),
        Kind::Count { .. } => Some("-1"),
        Kind::Choice(_) => Some("no-such-choice"),
        Kind::Number(_) | Kind::Text(_) | Kind::List(..) => {
            let listed = OF_TEXTS.iter().find(|(name, _)| *name == variable.name).map(|(_, value)| *value);
            assert_eq!(listed.is_none(), ANYTHING.contains(&variable.name), "{}: add it here", variable.name);
            listed
        }
    }
}

/// Every variable with a wrong value of it.
fn wrong() -> Vec<(&'static Variable, &'static str)> {
    let variables = reference::all().filter(|variable| variable.scope == Scope::Server);
    variables.filter_map(|variable| Some((variable, wrong_value(variable)?))).collect()
}

fn assert_tells(fault: &str, variable: &Variable, value: &str) {
    let rest = fault.strip_prefix(variable.name).unwrap_or_else(|| panic!("{}: {fault}", variable.name));
    assert!(rest.starts_with(['=', ':', ' ']) && rest.len() > 5, "{fault}");
    assert!(!fault.contains('\n'), "{fault:?}");
    assert_eq!(fault.contains(&format!("{value:?}")), !variable.is_secret, "{fault}");
    assert!(!fault.contains("hidden"), "{fault}");
}

#[test]
fn a_wrong_value_alone_is_one_line_that_names_it() {
    for (variable, value) in wrong() {
        // The right key tells nothing about a wrong other one.
        let right = [("CLAUDE_API_KEY", "sk-right")].into_iter().filter(|(name, _)| *name != variable.name);
        let variables: Vec<_> = right.chain([(variable.name, value)]).collect();
        let faults = resolve(false, &variables).expect_err(variable.name);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert_tells(&faults[0], variable, value);
    }
}

#[test]
fn wrong_values_of_all_variables_together_are_a_line_each() {
    let wrong = wrong();
    let variables: Vec<_> = wrong.iter().map(|(variable, value)| (variable.name, *value)).collect();
    let faults = resolve(false, &variables).expect_err("faults");
    assert_eq!(faults.len(), wrong.len(), "{faults:#?}");
    for (variable, value) in wrong {
        let names = |fault: &&String| fault.split(['=', ':', ' ']).next() == Some(variable.name);
        let own: Vec<_> = faults.iter().filter(names).collect();
        assert_eq!(own.len(), 1, "{own:?}");
        assert_tells(own[0], variable, value);
    }
}

/// No kind of value is a date.
const DATE: &str = "2026-01-19";

#[test]
fn a_wrong_type_of_every_key_of_the_file_is_a_line_that_names_it_alone_and_together() {
    let place = tempfile::tempdir().expect("a folder");
    let path = place.path().join("c.toml");
    let faults = |text: &str| {
        std::fs::write(&path, text).expect("written");
        let arguments = ServeArguments { config: Some(path.clone()), ..arguments() };
        let key = [("CLAUDE_API_KEY".into(), "sk-right".into())];
        let layers = Layers::gather(&arguments, key.into_iter(), Path::new("/nowhere/.env"));
        Config::resolve(&layers, false).expect_err("faults")
    };
    let places: Vec<_> = reference::all().filter_map(Variable::place).collect();
    for (section, key) in &places {
        let found = faults(&format!("[{section}]\n{key} = {DATE}\n"));
        let start = format!("{} line 2: {section}.{key} must be ", path.display());
        assert!(found.len() == 1 && found[0].starts_with(&start) && !found[0].contains(DATE), "{found:?}");
    }
    let dotted: String = places.iter().map(|(section, key)| format!("{section}.{key} = {DATE}\n")).collect();
    assert_eq!(faults(&dotted).len(), places.len());
}

#[test]
fn values_that_do_not_go_together_are_told_beside_wrong_ones() {
    let faults = resolve(
        true,
        &[
            ("SERVER_HOST", "*"),
            ("SERVER_PORT", "9191"),
            ("SERVER_WORKERS", "none"),
            ("API_JWT_SECRET", "0123456789abcdef0123456789abcdef"),
            ("API_JWT_JWKS_FILE", "keys.json"),
            ("MONITORING_PROMETHEUS_PORT", "9191"),
            ("SESSION_MAX_CONCURRENT", "2"),
            ("SESSION_PREWARM", "3"),
            ("STORAGE_TYPE", "paper"),
            ("STORAGE_AGENTS_DIR", "/agents"),
            ("STORAGE_REDIS_URL", "http://redis"),
            ("STORAGE_REDIS_PREFIX", "ccs"),
        ],
    );
    assert_eq!(
        faults.expect_err("faults"),
        [
            "SERVER_WORKERS=\"none\": must be a whole number from 1 to 512",
            "API_JWT_SECRET, API_JWT_JWKS_FILE and API_JWT_JWKS_URL exclude each other: set one of them",
            "STORAGE_REDIS_URL: must be a URL that begins with redis://, rediss:// or redis+unix://",
            "STORAGE_REDIS_PREFIX=\"ccs\": must be a text with a part in braces",
            "STORAGE_TYPE=\"paper\": must be one of sqlite, memory, redis",
            "SERVER_HOST=0.0.0.0 opens the server to the network without authentication: set API_AUTH_ENABLED=true and \
             API_API_KEY, or SERVER_ALLOW_INSECURE=true if that is meant",
            "SESSION_PREWARM=\"3\": must not exceed SESSION_MAX_CONCURRENT, which is 2",
            "STORAGE_AGENTS_DIR=\"/agents\": is for servers that share Redis: set STORAGE_TYPE=redis, or leave it out",
            "MONITORING_PROMETHEUS_PORT=\"9191\": is SERVER_PORT too: choose another port, or set \
             MONITORING_PROMETHEUS_ENABLED=false",
        ]
    );
}

#[test]
fn a_gateway_that_could_keep_nothing_from_agents_is_refused() {
    let resolved =
        |gateway, credential| resolve(false, &[("CLAUDE_GATEWAY", gateway), (credential, "sk-hidden")]).err();
    let refused = "CLAUDE_GATEWAY=\"on\": cannot keep CLAUDE_CODE_OAUTH_TOKEN from agents, since their program has to have it: set \
                   CLAUDE_API_KEY in its place, or leave CLAUDE_GATEWAY out";
    assert_eq!(resolved("on", "CLAUDE_CODE_OAUTH_TOKEN"), Some(vec![refused.to_owned()]));
    assert_eq!(resolved("auto", "CLAUDE_CODE_OAUTH_TOKEN"), None);
    assert_eq!(resolved("on", "ANTHROPIC_AUTH_TOKEN"), None);
}

#[test]
fn a_password_in_a_url_is_not_printed() {
    let faults = resolve(true, &[("CLAUDE_BASE_URL", "ftp://me:hidden@example.com")]).expect_err("a fault");
    assert_eq!(
        faults,
        ["CLAUDE_BASE_URL=\"ftp://***@example.com\": must be a URL such as https://gateway.example.com"]
    );
}

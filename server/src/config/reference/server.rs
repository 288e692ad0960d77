//! The server itself.

use super::{Kind, Preset, Scope, Separator, Variable};

pub(super) const SERVER: [Variable; 16] = [
    Variable::text(
        "CLAUDE_CODE_SERVER_CONFIG",
        Preset::Told("none"),
        "the path of a TOML file",
        "the configuration file; `--config` goes before it",
    )
    .scope(Scope::Start),
    Variable::text(
        "SERVER_HOST",
        Preset::Value("127.0.0.1"),
        "an IP address or localhost",
        "the address to listen on; `*` for all; `--host` goes before it",
    ),
    Variable::port(
        "SERVER_PORT",
        "8000",
        "the port to listen on; 0 for any free one; `--port` goes before it",
    ),
    Variable::text(
        "SERVER_UNIX_SOCKET",
        Preset::Told("none"),
        "a path",
        "a Unix socket to listen on; the port is then listened on only if SERVER_PORT is set, too",
    ),
    Variable::text(
        "SERVER_UNIX_SOCKET_MODE",
        Preset::Value("0660"),
        "an octal number from 0 to 0777",
        "who may connect to that socket",
    ),
    Variable::text(
        "SERVER_TLS_CERT_FILE",
        Preset::Told("none"),
        "the path of a PEM file",
        "the certificate and those that vouch for it: the port then speaks TLS; read again when it changes, and at SIGHUP",
    ),
    Variable::text(
        "SERVER_TLS_KEY_FILE",
        Preset::Told("none"),
        "the path of a PEM file",
        "the certificate's private key",
    ),
    Variable::count(
        "SERVER_MAX_CONNECTIONS",
        "4096",
        (1, 1_000_000),
        "connections at the same time, WebSockets included; beyond: 503",
    ),
    Variable::count(
        "SERVER_MAX_CONNECTIONS_PER_ADDRESS",
        "1024",
        (1, 1_000_000),
        "of these from one address; this machine is spared unless it is set, trusted proxies are always",
    ),
    Variable::new(
        "SERVER_TRUSTED_PROXIES",
        Kind::List(
            "a list of addresses, networks such as 10.0.0.0/8, or unix for the Unix socket",
            Separator::Comma,
        ),
        Preset::Told("none"),
        "who is believed about the client that it speaks for: `X-Forwarded-For`, `-Proto` and `-Host`, or `Forwarded`",
    ),
    Variable::count("SERVER_WORKERS", "", (1, 512), "threads that serve")
        .preset(Preset::Told("the number of cores")),
    Variable::choice(
        "SERVER_LOG_LEVEL",
        "INFO",
        &["TRACE", "DEBUG", "INFO", "WARN", "WARNING", "ERROR", "CRITICAL"],
        "from which level on is logged",
    ),
    Variable::count(
        "SERVER_DRAIN_SECONDS",
        "0",
        (0, 86_400),
        "how long running tasks may go on at SIGTERM before they are interrupted",
    ),
    Variable::text(
        "SERVER_PUBLIC_URL",
        Preset::Told("from the request"),
        "a URL such as https://agents.example.com",
        "base of `websocket_url`; also the name that a local server then answers to",
    ),
    Variable::flag("SERVER_ALLOW_INSECURE", "false", "permits a non-loopback address without authentication"),
    Variable::new(
        "WORKSPACE_ROOTS",
        Kind::List("folders that exist, separated by colons", Separator::Colon),
        Preset::Value("."),
        "folders under which workspaces may lie; no sandbox",
    ),
];

pub(super) const MONITORING: [Variable; 3] = [
    Variable::flag("MONITORING_PROMETHEUS_ENABLED", "true", "serves `GET /metrics` on a port of its own"),
    Variable::port(
        "MONITORING_PROMETHEUS_PORT",
        "9090",
        "that port; when it is taken and was not asked for, there is a warning instead of metrics",
    ),
    Variable::choice("MONITORING_LOGGING_FORMAT", "", &["json", "text"], "how logs are written")
        .preset(Preset::Told("text on a terminal, else json")),
];

//! Where traces go: the standard variables of OpenTelemetry, of which these are the most useful ones.

use super::{Kind, Preset, Scope, Separator, Variable};

/// Traces are on when one of these is set.
pub(crate) const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];
/// And off when this says so.
pub(crate) const DISABLED: &str = "OTEL_SDK_DISABLED";

const PAIRS: &str = "a list of name=value";

pub(super) const TRACES: [Variable; 8] = [
    Variable::text(
        ENDPOINTS[0],
        Preset::Told("none: nothing is traced"),
        "a URL such as http://127.0.0.1:4318",
        "the collector that gets requests and tasks as spans, by OTLP over HTTP (protobuf), at `/v1/traces` below it",
    )
    .scope(Scope::Exporter),
    Variable::text(
        ENDPOINTS[1],
        Preset::Told("none"),
        "a URL such as http://127.0.0.1:4318/v1/traces",
        "the same in full; goes before the other",
    )
    .scope(Scope::Exporter),
    Variable::new(
        "OTEL_EXPORTER_OTLP_HEADERS",
        Kind::List(PAIRS, Separator::Comma),
        Preset::Told("none"),
        "headers that the collector wants, such as a key",
    )
    .secret()
    .scope(Scope::Exporter),
    Variable::text(
        "OTEL_SERVICE_NAME",
        Preset::Value("claude-code-server"),
        "a name",
        "what the server is called there",
    )
    .scope(Scope::Exporter),
    Variable::new(
        "OTEL_RESOURCE_ATTRIBUTES",
        Kind::List(PAIRS, Separator::Comma),
        Preset::Told("none"),
        "what else is said of it there",
    )
    .scope(Scope::Exporter),
    Variable::choice(
        "OTEL_TRACES_SAMPLER",
        "parentbased_always_on",
        &[
            "always_on",
            "always_off",
            "traceidratio",
            "parentbased_always_on",
            "parentbased_always_off",
            "parentbased_traceidratio",
        ],
        "which traces are sent",
    )
    .scope(Scope::Exporter),
    Variable::text(
        "OTEL_TRACES_SAMPLER_ARG",
        Preset::Value("1.0"),
        "a number from 0 to 1",
        "the share of them, with a `ratio`",
    )
    .scope(Scope::Exporter),
    Variable::flag(DISABLED, "false", "turns traces off, whatever the others say").scope(Scope::Exporter),
];

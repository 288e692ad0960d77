//! What the texts of single variables mean.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use secrecy::SecretString;

use super::{GatewayUse, LogFormat, variables};

pub(super) fn address(text: &str) -> Option<IpAddr> {
    match text {
        "localhost" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        "*" => Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        _ => text.trim_matches(['[', ']']).parse().ok(),
    }
}

pub(super) fn log_level(text: &str) -> Option<String> {
    let level = text.to_ascii_uppercase();
    match level.as_str() {
        "TRACE" | "DEBUG" | "INFO" | "WARN" | "ERROR" => Some(level),
        // Python's words, which existing configurations have.
        "WARNING" => Some("WARN".into()),
        "CRITICAL" => Some("ERROR".into()),
        _ => None,
    }
}

pub(super) fn log_format(text: &str) -> Option<LogFormat> {
    match text {
        "json" => Some(LogFormat::Json),
        "text" => Some(LogFormat::Text),
        _ => None,
    }
}

pub(super) fn gateway_use(text: &str) -> Option<GatewayUse> {
    match text {
        "auto" => Some(GatewayUse::Auto),
        "on" => Some(GatewayUse::On),
        "off" => Some(GatewayUse::Off),
        _ => None,
    }
}

pub(super) fn web_url(text: &str) -> Option<String> {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"))?;
    let fits = !rest.is_empty() && !text.chars().any(|c| c.is_whitespace() || c.is_control());
    fits.then(|| text.trim_end_matches('/').to_owned())
}

pub(super) fn web_origin(text: &str) -> Option<String> {
    web_url(text).filter(|url| url.matches('/').count() == 2 && !url.contains(['?', '#', '@']))
}

pub(super) fn setting_sources(text: &str) -> Option<Vec<String>> {
    variables::list(text).filter(|sources| {
        sources.iter().all(|source| matches!(source.as_str(), "user" | "project" | "local"))
    })
}

pub(super) fn roots(text: &str) -> Option<Vec<PathBuf>> {
    let roots: Vec<PathBuf> = text.split(':').filter(|root| !root.is_empty()).map(PathBuf::from).collect();
    (!roots.is_empty() && roots.iter().all(|root| root.is_dir())).then_some(roots)
}

/// What can be sent as a header's value.
pub(super) fn secret(text: &str) -> Option<SecretString> {
    text.bytes().all(|byte| byte.is_ascii_graphic()).then(|| SecretString::from(text))
}

//! One JSON object a line on stdout, or text on a terminal.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// Starts logging, once.
pub(crate) fn start(level: &str, format: Option<LogFormat>) {
    let on_terminal = std::io::stdout().is_terminal();
    let default = if on_terminal { LogFormat::Text } else { LogFormat::Json };
    let filter = EnvFilter::new(level.to_lowercase());
    // A line that cannot be written is lost. The subscriber would say so on stderr, and panic where that is gone, too.
    let builder = tracing_subscriber::fmt().with_env_filter(filter).log_internal_errors(false);
    match format.unwrap_or(default) {
        LogFormat::Json => {
            builder.json().flatten_event(true).with_current_span(true).with_span_list(false).init()
        }
        LogFormat::Text => builder.with_ansi(on_terminal).init(),
    }
}

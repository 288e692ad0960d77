//! Sends spans to a collector, from a thread of its own. The SDK reads its settings from the environment (`OTEL_…`).

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::{Key, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter as Otlp, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};

use super::Traces;
use super::task::Ids;

/// What the service is called unless the environment says so.
const SERVICE: &str = "claude-code-server";
/// How long the last spans may hold up the end of the server.
const FLUSH_WITHIN: Duration = Duration::from_secs(2);
/// A collector that is not there is worth a line this often.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// The export of traces while it lasts.
#[derive(Debug)]
pub struct Exporting(SdkTracerProvider);

impl Exporting {
    /// Begins. Not to be called where a runtime is: the client blocks.
    ///
    /// # Errors
    /// When the settings are wrong, in words.
    pub fn start(version: &'static str) -> Result<Self, String> {
        let exporter = Otlp::builder().with_http().with_protocol(Protocol::HttpBinary).build();
        let exporter = exporter.map_err(|error| error.to_string())?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(Watched { exporter, warned: Mutex::default() })
            .with_id_generator(Ids::default())
            .with_resource(resource(version))
            .build();
        Ok(Self(provider))
    }

    /// What makes the spans.
    pub fn traces(&self) -> Traces {
        Traces::of(&self.0)
    }

    /// Sends what has gathered, and ends. Not to be called where a runtime is.
    pub fn end(self) {
        if let Err(error) = self.0.shutdown_with_timeout(FLUSH_WITHIN) {
            tracing::warn!(%error, "the last spans may not have reached the collector");
        }
    }
}

fn resource(version: &'static str) -> Resource {
    let with_version = || Resource::builder().with_attribute(KeyValue::new("service.version", version));
    let resource = with_version().build();
    let name = resource.get(&Key::from_static_str("service.name"));
    // Nobody named it: the SDK says so, and after that what the program is called.
    let is_named = name.is_some_and(|name| !name.as_str().starts_with("unknown_service"));
    if is_named { resource } else { with_version().with_service_name(SERVICE).build() }
}

/// An exporter whose failures are told, not too often.
#[derive(Debug)]
struct Watched {
    exporter: Otlp,
    warned: Mutex<Option<Instant>>,
}

impl Watched {
    fn warn(&self, error: &impl std::fmt::Display, spans: usize) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
            *warned = Some(Instant::now());
            tracing::warn!(%error, spans, "spans could not be sent to the collector, and are lost");
        }
    }
}

impl SpanExporter for Watched {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let sent = self.exporter.export(batch).await;
        if let Err(error) = &sent {
            self.warn(error, spans);
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

//! Traces: what a request and its task spent their time with. Nobody else knows that they are OpenTelemetry's.

mod export;
mod task;

use std::collections::HashMap;

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{
    Span as _, SpanContext, SpanKind, Status, TraceContextExt, Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, Span};

pub use self::export::Exporting;
pub use self::task::{AttemptTrace, TaskEnd, TaskOfTrace, TaskTrace};

/// The header, and the name under which the propagator looks for it.
const TRACEPARENT: &str = "traceparent";

/// Makes spans; as a default it makes none, and costs nothing.
#[derive(Debug, Clone, Default)]
pub struct Traces(Option<SdkTracer>);

impl Traces {
    fn of(provider: &SdkTracerProvider) -> Self {
        Self(Some(provider.tracer(env!("CARGO_PKG_NAME"))))
    }

    /// A request begins. `route` is the route's template, `caller` the `traceparent` that came with it.
    pub fn request(
        &self,
        method: &'static str,
        route: Option<&str>,
        caller: Option<&str>,
    ) -> Option<RequestTrace> {
        let tracer = self.0.as_ref()?;
        let name = route.map_or_else(|| method.to_owned(), |route| format!("{method} {route}"));
        let mut attributes = vec![KeyValue::new("http.request.method", method)];
        attributes.extend(route.map(|route| KeyValue::new("http.route", route.to_owned())));
        let builder = tracer.span_builder(name).with_kind(SpanKind::Server).with_attributes(attributes);
        let parent = caller.and_then(parse).map_or_else(Context::new, below);
        Some(RequestTrace(tracer.build_with_context(builder, &parent)))
    }

    /// The trace of a task that was admitted with a trace.
    pub fn task(&self, task: &TaskOfTrace<'_>) -> Option<TaskTrace> {
        let tracer = self.0.as_ref()?;
        TaskTrace::new(tracer.clone(), parse(task.trace_parent?)?, task)
    }
}

/// A request that is being answered.
pub struct RequestTrace(Span);

impl RequestTrace {
    /// What stands for it where its work goes on.
    pub fn trace_parent(&self) -> String {
        text(self.0.span_context())
    }

    /// It was answered.
    pub fn answered(mut self, status: u16, request_id: Option<&str>) {
        self.0.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
        if let Some(id) = request_id {
            self.0.set_attribute(KeyValue::new("request_id", id.to_owned()));
        }
        if status >= 500 {
            self.0.set_status(Status::error(""));
        }
        self.0.end();
    }
}

/// The id of the trace that a `traceparent` belongs to, for log lines.
pub fn trace_id(trace_parent: &str) -> Option<&str> {
    trace_parent.split('-').nth(1)
}

/// A span as the `traceparent` of the W3C.
fn text(span: &SpanContext) -> String {
    format!("00-{}-{}-{:02x}", span.trace_id(), span.span_id(), span.trace_flags().to_u8())
}

fn parse(trace_parent: &str) -> Option<SpanContext> {
    let carrier = HashMap::from([(TRACEPARENT.to_owned(), trace_parent.to_owned())]);
    let found = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
    let span = found.span().span_context().clone();
    span.is_valid().then_some(span)
}

/// What makes a span a child of another.
fn below(parent: SpanContext) -> Context {
    Context::new().with_remote_span_context(parent)
}

#[cfg(test)]
mod tests;

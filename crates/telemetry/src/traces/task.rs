//! The spans of a task.

use std::cell::Cell;
use std::collections::HashMap;
use std::time::SystemTime;

use opentelemetry::trace::{
    Span as _, SpanContext, SpanId, Status, TraceContextExt, TraceId, TraceState, Tracer,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SdkTracer, Span};
use uuid::Uuid;

use super::{below, text};

/// Calls of tools that are open at once and have spans: an agent that never tells of their ends must not fill the memory.
const MOST_OPEN_TOOLS: usize = 1024;

thread_local! {
    /// The id that the next span on this thread gets.
    static NEXT_ID: Cell<Option<SpanId>> = const { Cell::new(None) };
}

/// Random ids, except for spans of tasks: their children name them before they are made, by other servers too.
#[derive(Debug, Default)]
pub(super) struct Ids(RandomIdGenerator);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        self.0.new_trace_id()
    }

    fn new_span_id(&self) -> SpanId {
        NEXT_ID.take().unwrap_or_else(|| self.0.new_span_id())
    }
}

/// What has to be known of a task.
#[derive(Debug, Clone, Copy)]
pub struct TaskOfTrace<'a> {
    /// What stands for the request that submitted it.
    pub trace_parent: Option<&'a str>,
    /// Its id.
    pub task_id: &'a str,
    /// Its session's id.
    pub session_id: &'a str,
    /// Whose it is.
    pub principal: &'a str,
    /// When it was admitted.
    pub admitted: SystemTime,
}

/// How a task ended.
#[derive(Debug, Clone, Copy)]
pub struct TaskEnd {
    /// `completed`, `failed` or `interrupted`.
    pub status: &'static str,
    /// Tokens to the model and from it.
    pub tokens: (u64, u64),
    /// What it cost.
    pub cost_usd: f64,
    /// When.
    pub at: SystemTime,
}

/// A task's place in its trace. Its span has an id that follows from the task, so it needs no memory: a server that takes the
/// task over goes on with the same trace.
#[derive(Debug)]
pub struct TaskTrace {
    tracer: SdkTracer,
    request: SpanContext,
    own: SpanContext,
    labels: Vec<KeyValue>,
    admitted: SystemTime,
}

impl TaskTrace {
    pub(super) fn new(tracer: SdkTracer, request: SpanContext, task: &TaskOfTrace<'_>) -> Option<Self> {
        let admitted = task.admitted.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_millis();
        let name = format!("span of {} {admitted}", task.task_id);
        let (id, _) = Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).as_u64_pair();
        let state = TraceState::default();
        let own = SpanContext::new(request.trace_id(), SpanId::from(id), request.trace_flags(), false, state);
        let labels = vec![
            KeyValue::new("task_id", task.task_id.to_owned()),
            KeyValue::new("session_id", task.session_id.to_owned()),
            KeyValue::new("principal", task.principal.to_owned()),
        ];
        Some(Self { tracer, request, own, labels, admitted: task.admitted })
    }

    /// An agent's worker took it for the first time: it waits no longer.
    pub fn claimed(&self, at: SystemTime) {
        let builder = self.tracer.span_builder("queue").with_start_time(self.admitted);
        let builder = builder.with_attributes(self.labels.clone());
        let mut span = self.tracer.build_with_context(builder, &below(self.own.clone()));
        span.end_with_timestamp(at);
    }

    /// An attempt at it begins.
    pub fn attempt(&self, number: u32) -> AttemptTrace {
        let mut attributes = self.labels.clone();
        attributes.push(KeyValue::new("attempt", i64::from(number)));
        let builder = self.tracer.span_builder("attempt").with_attributes(attributes);
        let span = self.tracer.build_with_context(builder, &below(self.own.clone()));
        AttemptTrace { tracer: self.tracer.clone(), span, tools: HashMap::new() }
    }

    /// It ended.
    pub fn ended(&self, end: &TaskEnd) {
        let mut attributes = self.labels.clone();
        let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        attributes.extend([
            KeyValue::new("task.status", end.status),
            KeyValue::new("tokens.input", count(end.tokens.0)),
            KeyValue::new("tokens.output", count(end.tokens.1)),
            KeyValue::new("cost_usd", end.cost_usd),
        ]);
        let builder = self.tracer.span_builder("task").with_start_time(self.admitted);
        let builder = builder.with_attributes(attributes);
        NEXT_ID.set(Some(self.own.span_id()));
        let mut span = self.tracer.build_with_context(builder, &below(self.request.clone()));
        // A tracer that has been shut down does not ask for it.
        NEXT_ID.set(None);
        tell(&mut span, end.status == "failed");
        span.end_with_timestamp(end.at);
    }
}

/// An attempt that is under way, with the calls of tools that are. What is open when it is dropped ends then.
#[derive(Debug)]
pub struct AttemptTrace {
    tracer: SdkTracer,
    span: Span,
    tools: HashMap<String, Span>,
}

impl AttemptTrace {
    /// What stands for it in its agent.
    pub fn trace_parent(&self) -> String {
        text(self.span.span_context())
    }

    /// A tool is called, by a sub-agent if it is `within` another call. Its input is nobody's business.
    pub fn tool_called(&mut self, id: &str, name: &str, within: Option<&str>) {
        if self.tools.len() >= MOST_OPEN_TOOLS {
            return;
        }
        let caller = within.and_then(|call| self.tools.get(call)).unwrap_or(&self.span);
        let parent = Context::new().with_remote_span_context(caller.span_context().clone());
        let builder = self.tracer.span_builder(format!("tool {name}"));
        let builder = builder.with_attributes([KeyValue::new("tool", name.to_owned())]);
        self.tools.insert(id.to_owned(), self.tracer.build_with_context(builder, &parent));
    }

    /// A tool answered.
    pub fn tool_answered(&mut self, id: &str, is_error: bool) {
        if let Some(mut span) = self.tools.remove(id) {
            tell(&mut span, is_error);
            span.end();
        }
    }

    /// What came of it: the task's status, or why it waits.
    pub fn came_to(&mut self, status: &'static str) {
        self.span.set_attribute(KeyValue::new("task.status", status));
        tell(&mut self.span, status == "failed");
    }
}

fn tell(span: &mut Span, is_error: bool) {
    if is_error {
        span.set_status(Status::error(""));
    }
}

//! The OpenAPI document, made from the handlers and types themselves.

mod page;

use std::sync::Arc;

use api::{Event, EventsPage, Problem, TaskEventsPage};
use utoipa::openapi::path::{Operation, Parameter};
use utoipa::openapi::schema::{Schema, SchemaType, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Content, OpenApi as Document, Ref, RefOr, Response, ResponseBuilder, SecurityRequirement,
};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;

pub(crate) use page::{asset, page};

use crate::state::AppState;

/// What the document begins with.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Claude Code Server",
        description = "Submit a coding task, watch it live, stop it, answer it, reuse its conversation. Errors are \
                       `application/problem+json` with a `detail` for people and a stable `code` for programs.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    tags(
        (name = "tasks", description = "Units of work and their outcomes."),
        (name = "events", description = "What happens, as WebSocket, Server-Sent Events or pages."),
        (name = "sessions", description = "Conversations that outlive their tasks."),
        (name = "server", description = "How the server is."),
    ),
    components(schemas(Problem, Event, TaskEventsPage, EventsPage)),
    modifiers(&Keys)
)]
struct Beginning;

/// How callers show who they are.
struct Keys;

impl Modify for Keys {
    fn modify(&self, document: &mut Document) {
        let Some(components) = document.components.as_mut() else { return };
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        let header = ApiKey::Header(ApiKeyValue::new("X-API-Key"));
        components.add_security_scheme("api_key", SecurityScheme::ApiKey(header));
    }
}

/// A router that knows what its routes are documented as.
pub(crate) fn documented() -> OpenApiRouter<Arc<AppState>> {
    OpenApiRouter::with_openapi(Beginning::openapi())
}

/// What every guarded endpoint may answer beside what its own documentation says.
const EVERYWHERE: [(&str, &str); 5] = [
    ("401", "No key was shown, and one is needed."),
    ("403", "The key is wrong or lacks the scope, or the Host or Origin header is foreign."),
    ("429", "The caller makes too many requests: see `Retry-After`."),
    ("500", "The server failed; its log says why."),
    (
        "503",
        "The storage is not available, the server is about to stop, or too many bodies are under way: see `Retry-After`.",
    ),
];

/// Completes the document: what all endpoints have in common.
pub(crate) fn complete(mut document: Document) -> Document {
    for (path, item) in &mut document.paths.paths {
        let operations = [&mut item.get, &mut item.post, &mut item.delete, &mut item.patch, &mut item.put];
        for operation in operations.into_iter().flatten() {
            if !path.starts_with("/api/") && !path.starts_with("/ws/") {
                continue;
            }
            secure(operation);
            operation.parameters.iter_mut().flatten().for_each(never_null);
            for (status, description) in EVERYWHERE {
                let responses = &mut operation.responses.responses;
                responses.entry(status.to_owned()).or_insert_with(|| RefOr::T(problem(description)));
            }
        }
    }
    document
}

/// A key may be shown in one of two ways, and where none is asked for in none. Which scope it needs, the handler says.
fn secure(operation: &mut Operation) {
    let scopes = operation.security.take().unwrap_or_default();
    let api_key = scopes.iter().filter_map(|requirement| {
        let scopes = serde_json::to_value(requirement).ok()?.get("bearer")?.clone();
        Some(SecurityRequirement::new("api_key", serde_json::from_value::<Vec<String>>(scopes).ok()?))
    });
    let security = [SecurityRequirement::default()].into_iter().chain(scopes.clone()).chain(api_key);
    operation.security = Some(security.collect());
}

/// A parameter may be left out; it is never null.
fn never_null(parameter: &mut RefOr<Parameter>) {
    if let RefOr::T(parameter) = parameter
        && let Some(RefOr::T(Schema::Object(schema))) = &mut parameter.schema
        && let SchemaType::Array(kinds) = &schema.schema_type
        && let Some(kind) = kinds.iter().find(|kind| **kind != Type::Null)
    {
        schema.schema_type = SchemaType::Type(kind.clone());
    }
}

fn problem(description: &str) -> Response {
    let content = Content::new(Some(Ref::from_schema_name("Problem")));
    ResponseBuilder::new().description(description).content(api::PROBLEM_CONTENT_TYPE, content).build()
}

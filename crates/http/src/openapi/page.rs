//! `GET /docs`: the document, to be read and tried out in a browser. All of it comes from this server.

use std::sync::{Arc, LazyLock};

use api::Code;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Response};
use utoipa_swagger_ui::Config;

use crate::refusal::Refusal;

const PAGE: &str = include_str!("page.html");
const START: &str = include_str!("page.js");
/// The page loads nothing from elsewhere, and nobody shows it in a frame.
const POLICY: &str =
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'";

static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| Arc::new(Config::from("/openapi.json")));

/// The page.
pub(crate) async fn page() -> Response {
    ([(CONTENT_SECURITY_POLICY, POLICY)], Html(PAGE)).into_response()
}

/// What the page loads.
pub(crate) async fn asset(Path(name): Path<String>) -> Result<Response, Refusal> {
    let missing = || Refusal::new(StatusCode::NOT_FOUND, Code::NotFound, "there is nothing at this path");
    let headers = |kind: String| [(CONTENT_TYPE, kind), (CACHE_CONTROL, "max-age=3600".to_owned())];
    if name == "start.js" {
        return Ok((headers("text/javascript".to_owned()), START).into_response());
    }
    match utoipa_swagger_ui::serve(&name, Arc::clone(&CONFIG)) {
        Ok(Some(file)) => Ok((headers(file.content_type), file.bytes.into_owned()).into_response()),
        _ => Err(missing()),
    }
}

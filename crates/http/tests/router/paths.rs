//! Paths with a slash too many.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::place::Place;

#[tokio::test(start_paused = true)]
async fn a_slash_at_the_end_leads_to_the_path_without_it() {
    let place = Place::new().await;
    for (method, path, target) in [
        ("GET", "/health/", "/health"),
        ("POST", "/api/v1/tasks/", "/api/v1/tasks"),
        ("GET", "/api/v1/tasks/?limit=1&status=running", "/api/v1/tasks?limit=1&status=running"),
        ("DELETE", "/api/v1/sessions/a%2Fb/", "/api/v1/sessions/a%2Fb"),
        ("GET", "/ws/tasks/t/", "/ws/tasks/t"),
        ("GET", "/docs/", "/docs"),
        ("GET", "/openapi.json/", "/openapi.json"),
    ] {
        let answer = place.call(method, path, &Value::Null).await;
        assert_eq!(answer.status, StatusCode::TEMPORARY_REDIRECT, "{path}");
        assert_eq!(answer.headers["location"], target, "{path}");
    }
    let docs = place.get("/docs").await;
    assert_eq!(docs.status, StatusCode::OK, "it does not lead on");
}

#[tokio::test(start_paused = true)]
async fn nothing_else_leads_anywhere() {
    let place = Place::new().await;
    for path in [
        "/",
        "//",
        "//evil.example/",
        "//evil.example/health/",
        "/health//",
        "/nowhere/",
        "/nowhere",
        "/api/v1/tasks//",
        "/api/v1/tasks//events/",
        "//health/",
        "/docs/a/b/",
        "/metrics/",
    ] {
        let answer = place.get(path).await;
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (StatusCode::NOT_FOUND, &json!("not_found")),
            "{path}"
        );
    }
}

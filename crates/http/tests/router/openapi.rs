//! The OpenAPI document and the page that shows it.

use axum::http::{HeaderValue, StatusCode};
use serde_json::Value;

use crate::place::Place;

const HTML: &str = "text/html; charset=utf-8";
const COMMITTED: &str = include_str!("../../../../docs/openapi.json");

/// Everything below a value, with its JSON pointer.
fn walk<'a>(value: &'a Value, pointer: String, found: &mut Vec<(String, &'a Value)>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, field)| walk(field, format!("{pointer}/{name}"), found));
        }
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(place, item)| walk(item, format!("{pointer}/{place}"), found));
        }
        _ => {}
    }
    found.push((pointer, value));
}

#[test]
fn the_committed_document_is_the_one_that_is_served() {
    assert!(
        COMMITTED.trim_end() == http_api::openapi_json(),
        "docs/openapi.json is out of date: cargo run -p claude-code-server -- openapi > docs/openapi.json"
    );
}

#[tokio::test(start_paused = true)]
async fn the_document_is_open_to_everybody_and_its_parts_fit_together() {
    let place = Place::with(engine::Settings::default(), Some(crate::place::KEY)).await;
    let answer = place.get("/openapi.json").await;
    assert_eq!(answer.status, StatusCode::OK);
    let document = answer.json();
    assert_eq!(document, serde_json::from_str::<Value>(COMMITTED).expect("JSON"));
    assert_eq!(document["openapi"], "3.1.0");
    let mut found = Vec::new();
    walk(&document, String::new(), &mut found);
    for (pointer, value) in found {
        if let Some(target) = value["$ref"].as_str().and_then(|target| target.strip_prefix('#')) {
            assert!(document.pointer(target).is_some(), "{pointer} leads nowhere: {target}");
        }
        let is_property = pointer.rsplit('/').nth(1) == Some("properties") && value.is_object();
        let is_described = value["description"].is_string() || value["oneOf"][0]["description"].is_string();
        assert!(!is_property || is_described, "{pointer} is not described: {value}");
        if pointer.ends_with("/responses") {
            assert!(
                value.as_object().is_some_and(|responses| responses.len() > 1),
                "{pointer} has no errors"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_page_and_what_it_loads_come_from_here() {
    let place = Place::new().await;
    let page = place.get("/docs").await;
    assert_eq!(
        (page.status, &page.headers["content-type"]),
        (StatusCode::OK, &HeaderValue::from_static(HTML))
    );
    let links = page.text.split('"').filter(|text| text.starts_with('/'));
    for link in links.collect::<Vec<_>>() {
        assert_eq!(place.get(link).await.status, StatusCode::OK, "{link}");
    }
    assert!(!page.text.contains("://"), "nothing comes from elsewhere");
    assert_eq!(place.get("/docs/nothing.js").await.status, StatusCode::NOT_FOUND);
}

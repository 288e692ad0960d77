//! What callers may do, and what they see of each other.

use std::num::NonZeroU32;

use auth::{NewKey, Scopes};
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use domain::{Clock, Principal, SystemClock};
use engine::Settings;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::place::{Answer, KEY, Place, read};

async fn place() -> Place {
    Place::with(Settings::default(), Some(KEY)).await
}

/// Makes a key, and gives it.
fn key(place: &Place, name: &str, scopes: &str) -> String {
    let scopes = scopes.split(',').filter(|word| !word.is_empty()).map(|word| word.parse().expect("a scope"));
    let new = NewKey {
        name: name.into(),
        principal: Principal::parse(name).expect("a name"),
        scopes: scopes.fold(Scopes::NONE, Scopes::and),
        expires_at: None,
        requests_per_minute: None,
        max_running: None,
    };
    place.keys.create(new, SystemClock.now()).expect("made").1.expose_secret().to_owned()
}

async fn call(place: &Place, key: &str, method: &str, path: &str, body: &Value) -> Answer {
    let method: Method = method.parse().expect("a method");
    let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
    let request =
        Request::builder().method(method).uri(path).header("authorization", format!("Bearer {key}"));
    read(place.send(request.body(body).expect("a request")).await).await
}

/// The guarded operations: method, path with ids put in, and the scope that the document says.
fn operations() -> Vec<(String, String, String)> {
    let document: Value = serde_json::from_str(&http_api::openapi_json()).expect("JSON");
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("an item") {
            let Some(security) = operation["security"].as_array() else { continue };
            let scope = |name: &str| {
                let scopes = security.iter().find_map(|requirement| requirement.get(name));
                scopes.and_then(|scopes| scopes[0].as_str()).expect("a scope").to_owned()
            };
            assert_eq!(scope("bearer"), scope("api_key"));
            let path = path.replace("{task_id}", "t").replace("{session_id}", "session-t");
            operations.push((method.to_uppercase(), path, scope("bearer")));
        }
    }
    operations
}

#[tokio::test(start_paused = true)]
async fn every_operation_needs_the_scope_that_the_document_says() {
    let place = place().await;
    let operations = operations();
    assert!(operations.len() >= 13, "{operations:?}");
    for scope in ["", "tasks:read", "tasks:write", "sessions:read", "sessions:write"] {
        let key = key(&place, &format!("only-{}", scope.replace(':', "-")), scope);
        for (method, path, needed) in &operations {
            let answer = call(&place, &key, method, path, &Value::Null).await;
            let lacks = answer.status == StatusCode::FORBIDDEN;
            assert_eq!(lacks, scope != needed, "{scope:?}: {method} {path}: {}", answer.text);
            if lacks {
                assert_eq!(answer.json()["code"], "insufficient_scope");
                let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{needed}\"");
                assert_eq!(answer.headers["www-authenticate"], challenge.as_str());
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_belongs_to_others_is_not_there() {
    let place = place().await;
    let [mine, theirs] = ["mine", "theirs"].map(|name| key(&place, name, "tasks:*,sessions:*"));
    let body = json!({"task_id": "t", "prompt": "hello", "workspace": place.workspace});
    let submitted = call(&place, &mine, "POST", "/api/v1/tasks", &body).await;
    assert_eq!(submitted.status, StatusCode::OK, "{}", submitted.text);
    let ended = call(&place, &mine, "GET", "/api/v1/tasks/t/result?wait=300", &Value::Null).await;
    assert_eq!(ended.status, StatusCode::OK);
    for (method, path, _) in operations() {
        let is_about_one = path.contains("/t") && path.starts_with("/api/v1/") && !path.ends_with("/tasks");
        let is_about_one = is_about_one && !path.ends_with("/tickets") || path.ends_with("/session-t");
        if !is_about_one {
            continue;
        }
        let body = match path.rsplit('/').next() {
            _ if method == "PATCH" => json!({"priority": 1}),
            Some("messages") => json!({"text": "hello"}),
            Some("answers") => json!({"question_id": "00000000-0000-0000-0000-000000000000", "allow": true}),
            _ => Value::Null,
        };
        let path_of =
            |id: &str| path.replace("/t/", &format!("/{id}/")).replace("session-t", &format!("session-{id}"));
        let (others, nobodys) = (call(&place, &theirs, &method, &path, &body).await, path_of("nobody"));
        let nobodys = call(&place, &theirs, &method, &nobodys, &body).await;
        assert_eq!(others.status, nobodys.status, "{method} {path}: {}", others.text);
    }
    for path in
        ["/api/v1/tasks/t", "/api/v1/tasks/t/result", "/api/v1/tasks/t/events", "/api/v1/sessions/session-t"]
    {
        assert_eq!(
            call(&place, &theirs, "GET", path, &Value::Null).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
        assert_eq!(call(&place, KEY, "GET", path, &Value::Null).await.status, StatusCode::OK, "{path}");
    }
    let sessions = |answer: Answer| answer.json()["sessions"].as_array().map(Vec::len);
    assert_eq!(sessions(call(&place, &theirs, "GET", "/api/v1/sessions", &Value::Null).await), Some(0));
    assert_eq!(sessions(call(&place, &mine, "GET", "/api/v1/sessions", &Value::Null).await), Some(1));
    let feed = |key: String| {
        let place = &place;
        async move {
            let page = call(place, &key, "GET", "/api/v1/events?after=0", &Value::Null).await.json();
            page["events"].as_array().map(Vec::is_empty)
        }
    };
    assert_eq!(
        (feed(theirs.clone()).await, feed(mine).await, feed(KEY.into()).await),
        (Some(true), Some(false), Some(false))
    );
    let same_id = call(&place, &theirs, "POST", "/api/v1/tasks", &body).await;
    assert_eq!((same_id.status, &same_id.json()["code"]), (StatusCode::CONFLICT, &json!("task_id_taken")));
    let session = json!({"reuse_existing": true, "session_id": "session-t"});
    let body = json!({"task_id": "u", "prompt": "go on", "workspace": place.workspace, "session": session});
    assert_eq!(call(&place, &theirs, "POST", "/api/v1/tasks", &body).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn a_ticket_shows_what_its_holder_sees() {
    let place = place().await;
    let [mine, theirs] = ["mine", "theirs"].map(|name| key(&place, name, "tasks:*"));
    let body = json!({"task_id": "t", "prompt": "hello", "workspace": place.workspace});
    assert_eq!(call(&place, &mine, "POST", "/api/v1/tasks", &body).await.status, StatusCode::OK);
    let foreign = call(&place, &theirs, "POST", "/api/v1/tickets", &json!({"task_id": "t"})).await;
    assert_eq!(foreign.status, StatusCode::NOT_FOUND);
    for (key, sees) in [(mine, true), (theirs, false)] {
        let ended = call(&place, KEY, "GET", "/api/v1/tasks/t/result?wait=300", &Value::Null).await;
        assert_eq!(ended.status, StatusCode::OK);
        let ticket =
            call(&place, &key, "POST", "/api/v1/tickets", &Value::Null).await.json()["ticket"].clone();
        let path = format!("/api/v1/events?after=0&ticket={}", ticket.as_str().expect("a ticket"));
        let page = place.get(&path).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        assert_eq!(page.json()["events"].as_array().map(|events| !events.is_empty()), Some(sees));
        assert_eq!(place.get(&path).await.status, StatusCode::UNAUTHORIZED, "it is used up");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_may_only_submit_gets_a_ticket_to_watch() {
    let place = place().await;
    let key = key(&place, "bot", "tasks:write");
    let body = json!({"task_id": "t", "prompt": "hello", "workspace": place.workspace});
    let submitted = call(&place, &key, "POST", "/api/v1/tasks", &body).await.json();
    let (_, ticket) =
        submitted["websocket_url"].as_str().and_then(|url| url.split_once("?ticket=")).expect("a ticket");
    let events = place.get(&format!("/api/v1/tasks/t/events?wait=60&ticket={ticket}")).await;
    assert_eq!(events.status, StatusCode::OK, "{}", events.text);
    assert_eq!(
        call(&place, &key, "GET", "/api/v1/tasks/t", &Value::Null).await.status,
        StatusCode::FORBIDDEN
    );
}

#[tokio::test(start_paused = true)]
async fn a_key_has_its_own_limit_of_tasks_and_requests() {
    let place = place().await;
    let new = NewKey {
        name: "slow".into(),
        principal: Principal::parse("slow").expect("a name"),
        scopes: "tasks:*".parse().expect("scopes"),
        expires_at: None,
        requests_per_minute: NonZeroU32::new(3),
        max_running: NonZeroU32::new(1),
    };
    let key = place.keys.create(new, SystemClock.now()).expect("made").1;
    let key = key.expose_secret();
    for (id, left) in [("hold a", "2"), ("hold b", "1")] {
        let body = json!({"task_id": id.replace(' ', "-"), "prompt": id, "workspace": place.workspace});
        let answer = call(&place, key, "POST", "/api/v1/tasks", &body).await;
        assert_eq!(
            (answer.status, &answer.headers["ratelimit-remaining"]),
            (StatusCode::OK, &left.parse().expect("a value"))
        );
    }
    let body = json!({"task_id": "other", "prompt": "hello", "workspace": place.workspace});
    assert_eq!(call(&place, KEY, "POST", "/api/v1/tasks", &body).await.status, StatusCode::OK);
    let other = call(&place, KEY, "GET", "/api/v1/tasks/other/result?wait=300", &Value::Null).await;
    assert_eq!(other.json()["status"], "completed", "it came after the one that waits, and did not wait");
    let waits = call(&place, KEY, "GET", "/api/v1/tasks/hold-b", &Value::Null).await;
    assert_eq!(waits.json()["status"], "pending");
    place.script.finish("hold a").await;
    place.script.finish("hold b").await;
    let ended = call(&place, KEY, "GET", "/api/v1/tasks/hold-b/result?wait=300", &Value::Null).await;
    assert_eq!(ended.json()["status"], "completed");
    assert_eq!(call(&place, key, "GET", "/api/v1/tasks/hold-a", &Value::Null).await.status, StatusCode::OK);
    assert_eq!(
        call(&place, key, "GET", "/api/v1/tasks/hold-a", &Value::Null).await.status,
        StatusCode::TOO_MANY_REQUESTS
    );
}

//! Who gets nothing.

use gateway::{Gateway, StartError, Upstream, UpstreamCredential};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::upstream::{REAL_KEY, client, gateway, post, soon};

/// Nobody listens there, so whatever is passed on to it gets no answer.
const NOWHERE: &str = "http://127.0.0.1:1";

async fn refused(request: reqwest::RequestBuilder) -> (u16, Value) {
    let answer = soon(request.send()).await.expect("an answer");
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&answer.bytes().await.expect("a body")).expect("JSON"))
}

fn error(kind: &str, message: &str) -> Value {
    json!({"type": "error", "error": {"type": kind, "message": message}})
}

#[tokio::test]
async fn only_an_open_endpoint_with_its_own_key_is_served() {
    let gateway = gateway(NOWHERE);
    let (endpoint, other) = (gateway.open(), gateway.open());
    let url = format!("{}/v1/messages", endpoint.base_url());
    let wrong_key = error("authentication_error", "this is not the key that the gateway gave to this agent");
    for request in [
        client().post(&url),
        client().post(&url).header("x-api-key", REAL_KEY),
        client().post(&url).bearer_auth(other.api_key().expose_secret()),
        client().post(&url).header("x-api-key", ""),
    ] {
        assert_eq!(refused(request).await, (401, wrong_key.clone()));
    }
    let message = "the gateway knows no such path: the task that it belonged to has ended";
    let not_found = error("not_found_error", message);
    let root = url.split("/a/").next().expect("a root");
    for path in ["/", "/v1/messages", "/a", "/a/", "/a/x/v1/messages"] {
        assert_eq!(refused(client().get(format!("{root}{path}"))).await, (404, not_found.clone()), "{path}");
    }
    let late = post(&endpoint, "/v1/messages");
    drop(endpoint);
    assert_eq!(refused(late).await, (404, not_found));
}

#[tokio::test]
async fn each_endpoint_has_secrets_of_its_own_that_are_not_printed() {
    let gateway = gateway(NOWHERE);
    let (one, two) = (gateway.open(), gateway.open());
    assert_ne!(one.base_url(), two.base_url());
    assert_ne!(one.api_key().expose_secret(), two.api_key().expose_secret());
    let printed = format!("{one:?} {gateway:?}");
    assert!(!printed.contains(one.api_key().expose_secret()), "{printed}");
}

#[test]
fn what_cannot_work_is_refused_at_the_start() {
    let start = |base_url: &str, key: &str| {
        let credential = UpstreamCredential::ApiKey(key.into());
        let upstream = Upstream { base_url: base_url.into(), credential, most_connections: 1 };
        Gateway::start(upstream, std::sync::Arc::default()).map(drop)
    };
    assert!(matches!(start(NOWHERE, "k"), Err(StartError::NoRuntime)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _inside = runtime.enter();
    for wrong in ["", "ftp://x", "api.anthropic.com", "http://x/?a=b"] {
        let message = start(wrong, "k").expect_err("no gateway").to_string();
        assert_eq!(
            message,
            format!("the model API's address {wrong:?} is not an http or https URL: correct it")
        );
    }
    assert!(matches!(start(NOWHERE, "two\nlines"), Err(StartError::Credential)));
    assert!(start("https://127.0.0.1:1/api", "k").is_ok());
}

//! Passes one request on, and its answer back.

use std::sync::Arc;

use bytes::Bytes;
use domain::Clock;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode, Uri, Version};
use reqwest::{Body, Client, Url};
use serde_json::json;
use telemetry::{Metrics, ModelAnswer};

use crate::endpoint::{Registry, State};
use crate::headers::{for_upstream, key, remove_hop_by_hop};
use crate::limits::{is_limit, limited_until};

/// What an agent reads: the API's answer, or a refusal of ours.
pub(crate) type Answer = Response<Either<Body, Full<Bytes>>>;

/// Everything that is needed to pass a request on.
pub(crate) struct Forwarder {
    pub(crate) client: Client,
    /// Without a slash at its end.
    pub(crate) base_url: String,
    pub(crate) credential: (HeaderName, HeaderValue),
    pub(crate) endpoints: Registry,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Forwarder {
    /// Answers a request. An error ends the agent's connection, which is how it learns that the API was not reached.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Result<Answer, reqwest::Error> {
        let Some((endpoint, url)) = self.target(request.uri()) else {
            let message = "the gateway knows no such path: the task that it belonged to has ended";
            return Ok(refusal(StatusCode::NOT_FOUND, "not_found_error", message));
        };
        if !key(request.headers()).is_some_and(|key| endpoint.knows(key)) {
            let message = "this is not the key that the gateway gave to this agent";
            return Ok(refusal(StatusCode::UNAUTHORIZED, "authentication_error", message));
        }
        let sent = self.client.execute(self.upstream_request(request, url)).await;
        self.metrics.model_answered(match &sent {
            Ok(response) => ModelAnswer::of(response.status().as_u16()),
            Err(_) => ModelAnswer::Unreached,
        });
        let response = sent.inspect_err(|error| tracing::debug!(%error, "the model API was not reached"))?;
        self.note(&endpoint, &response);
        Ok(agent_response(response))
    }

    /// Which endpoint a request is for, and where it goes on to.
    fn target(&self, uri: &Uri) -> Option<(Arc<State>, Url)> {
        let (token, path) = uri.path().strip_prefix("/a/")?.split_once('/')?;
        let endpoint = self.endpoints.find(token)?;
        let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        let url = Url::parse(&format!("{}/{path}{query}", self.base_url)).ok()?;
        // Nothing leads out of the upstream's own path.
        let is_below = url.as_str().strip_prefix(&self.base_url)?.starts_with('/');
        (is_below && url.path().ends_with(path)).then_some((endpoint, url))
    }

    fn upstream_request(&self, request: Request<Incoming>, url: Url) -> reqwest::Request {
        let (mut head, body) = request.into_parts();
        for_upstream(&mut head.headers);
        let (name, value) = &self.credential;
        head.headers.insert(name.clone(), value.clone());
        let mut upstream = reqwest::Request::new(head.method, url);
        *upstream.headers_mut() = head.headers;
        *upstream.body_mut() = Some(Body::wrap(body));
        upstream
    }

    /// Notes whether the API wants to be left alone. A refusal that names no time says nothing new.
    fn note(&self, endpoint: &State, response: &reqwest::Response) {
        let status = response.status();
        if status.is_success() {
            endpoint.limit(None);
        } else if is_limit(status) {
            let until = limited_until(response.headers(), self.clock.now());
            tracing::info!(%status, ?until, "the model API refuses an agent");
            if until.is_some() {
                endpoint.limit(until);
            }
        }
    }
}

fn agent_response(response: reqwest::Response) -> Answer {
    let mut response = Response::<Body>::from(response);
    remove_hop_by_hop(response.headers_mut());
    *response.version_mut() = Version::HTTP_11;
    response.map(Either::Left)
}

/// A refusal in the API's own form.
fn refusal(status: StatusCode, kind: &str, message: &str) -> Answer {
    let body = json!({"type": "error", "error": {"type": kind, "message": message}}).to_string();
    let mut response = Response::new(Either::Right(Full::new(Bytes::from(body))));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

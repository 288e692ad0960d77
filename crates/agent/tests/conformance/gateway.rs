use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use agent::{AgentEvent, ApiError, Launcher, ModelEndpoint, ModelGateway, Opening};
use domain::{ConversationId, Timestamp};

use crate::place::{Extras, Place, Turn, until};

/// Hands out the model's own URL, with a key for each endpoint.
#[derive(Default)]
struct FakeGateway {
    url: String,
    opened: AtomicUsize,
    open: Arc<AtomicUsize>,
    limit: Arc<Mutex<Option<Timestamp>>>,
}

struct FakeEndpoint {
    url: String,
    key: String,
    open: Arc<AtomicUsize>,
    limit: Arc<Mutex<Option<Timestamp>>>,
}

impl ModelGateway for FakeGateway {
    fn open(&self) -> Box<dyn ModelEndpoint> {
        self.open.fetch_add(1, Ordering::SeqCst);
        Box::new(FakeEndpoint {
            url: self.url.clone(),
            key: format!("key-{}", self.opened.fetch_add(1, Ordering::SeqCst)),
            open: Arc::clone(&self.open),
            limit: Arc::clone(&self.limit),
        })
    }
}

impl ModelEndpoint for FakeEndpoint {
    fn base_url(&self) -> String {
        self.url.clone()
    }

    fn api_key(&self) -> secrecy::SecretString {
        self.key.clone().into()
    }

    fn limited_until(&self) -> Option<Timestamp> {
        *self.limit.lock().unwrap()
    }
}

impl Drop for FakeEndpoint {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A place behind a gateway, how many of its endpoints are open, and the limit that they tell.
async fn place() -> (Place, Arc<AtomicUsize>, Arc<Mutex<Option<Timestamp>>>) {
    let (open, limit) = (Arc::<AtomicUsize>::default(), Arc::<Mutex<_>>::default());
    let fake = FakeGateway { open: Arc::clone(&open), limit: Arc::clone(&limit), ..FakeGateway::default() };
    let gateway = |url: String| Arc::new(FakeGateway { url, ..fake }) as Arc<dyn ModelGateway>;
    let place = Place::with(Extras { gateway: Some(Box::new(gateway)), ..Extras::default() }).await;
    (place, open, limit)
}

fn new() -> Opening {
    Opening::New(ConversationId::generate())
}

fn limits(turn: &Turn) -> Vec<Timestamp> {
    let limit = |event: &AgentEvent| match event {
        AgentEvent::RateLimited { until } => Some(*until),
        _ => None,
    };
    turn.events.iter().filter_map(limit).collect()
}

#[tokio::test]
async fn each_agent_has_an_endpoint_of_its_own_and_no_agent_has_the_credential() {
    let (place, open, _) = place().await;
    let mut first = place.launch(place.spec(new())).await;
    let prepared = place.launcher.prepare(&place.spec(new())).await.unwrap();
    assert_eq!(open.load(Ordering::SeqCst), 2);
    let environment =
        first.turn("[[bash env > env.txt; tr '\\0' '\\n' < /proc/$PPID/environ >> env.txt]]").await;
    assert!(!environment.results()[0].2, "{:?}", environment.results());
    assert!(!place.read("env.txt").contains("dummy-key") && place.read("env.txt").contains("key-0"));
    let keys: Vec<_> = place.model.requests().into_iter().filter_map(|request| request.api_key).collect();
    assert!(!keys.is_empty() && keys.iter().all(|key| key == "key-0"), "{keys:?}");
    prepared.stop().await;
    until("the end of the prepared agent's endpoint", || open.load(Ordering::SeqCst) == 1).await;
    first.close().await;
    until("the end of the first agent's endpoint", || open.load(Ordering::SeqCst) == 0).await;
}

#[tokio::test]
async fn a_limit_that_the_endpoint_saw_is_told_before_the_end_of_the_turn_that_it_failed() {
    let (place, _, limit) = place().await;
    let until = Timestamp::from_millis(1_768_816_805_123);
    *limit.lock().unwrap() = Some(until);
    let mut session = place.launch(place.spec(new())).await;
    let fine = session.turn("[[say fine]]").await;
    assert_eq!((limits(&fine), fine.end.api_error.clone()), (vec![], None));
    let refused = session.turn("[[error 429 1 retry-after=90]] [[say never]]").await;
    let error = ApiError { status: Some(429), kind: "rate_limit_error".into() };
    assert_eq!((limits(&refused), refused.end.api_error.clone()), (vec![until], Some(error)));
    *limit.lock().unwrap() = None;
    let failed = session.turn("[[error 400]]").await;
    let error = ApiError { status: Some(400), kind: "invalid_request_error".into() };
    assert_eq!((limits(&failed), failed.end.api_error.clone()), (vec![], Some(error)));
    session.close().await;
}

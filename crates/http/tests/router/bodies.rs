//! Bodies that are large, or many at a time.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode};
use futures_util::stream::{iter, unfold};
use http_api::BodyBudget;
use serde_json::json;
use tokio::sync::mpsc::{Sender, channel};

use crate::place::{Answer, Place, read};

const KIB: usize = 1024;

/// A body that comes in pieces. A second piece can be sent once the first one was taken.
fn in_pieces() -> (Sender<Bytes>, Body) {
    let (sender, receiver) = channel::<Bytes>(1);
    let pieces = unfold(receiver, |mut receiver| async move {
        Some((Ok::<_, Infallible>(receiver.recv().await?), receiver))
    });
    (sender, Body::from_stream(pieces))
}

/// A submission that is so large.
fn submission(place: &Place, id: &str, bytes: usize) -> Bytes {
    let body = json!({"task_id": id, "prompt": "x".repeat(bytes), "workspace": place.workspace});
    Bytes::from(body.to_string())
}

async fn post(place: &Place, body: Body) -> Answer {
    read(place.send(Request::post("/api/v1/tasks").body(body).expect("a request")).await).await
}

async fn with_room(bytes: usize) -> Place {
    let mut place = Place::new().await;
    Arc::get_mut(&mut place.state).expect("nobody else has it").bodies = BodyBudget::of(bytes);
    place
}

#[tokio::test]
async fn bodies_have_room_together_and_who_finds_none_is_told_to_come_back() {
    let place = Arc::new(with_room(256 * KIB).await);
    let (pieces, body) = in_pieces();
    let slow = tokio::spawn({
        let place = Arc::clone(&place);
        async move { post(&place, body).await }
    });
    let whole = submission(&place, "slow", 180 * KIB);
    let (first, rest) = (whole.slice(..160 * KIB), whole.slice(160 * KIB..));
    pieces.send(first).await.expect("taken");
    pieces.send(rest.slice(..1)).await.expect("taken");

    let large = post(&place, submission(&place, "large", 100 * KIB).into()).await;
    assert_eq!(
        (large.status, &large.json()["code"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!("server_busy"))
    );
    assert_eq!(large.headers["retry-after"], "5");
    let small = post(&place, submission(&place, "small", KIB).into()).await;
    assert_eq!(small.status, StatusCode::OK, "{}", small.text);

    pieces.send(rest.slice(1..)).await.expect("taken");
    drop(pieces);
    assert_eq!(slow.await.expect("answered").status, StatusCode::OK);
    let again = post(&place, submission(&place, "large", 100 * KIB).into()).await;
    assert_eq!(again.status, StatusCode::OK, "what was taken is given back: {}", again.text);
}

#[tokio::test]
async fn a_body_that_holds_room_does_not_wait_for_more() {
    let place = with_room(64 * KIB).await;
    let large = submission(&place, "t", 100 * KIB);
    for _ in 0..2 {
        let pieces: Vec<_> =
            large.chunks(10 * KIB).map(Bytes::copy_from_slice).map(Ok::<_, Infallible>).collect();
        let refused = post(&place, Body::from_stream(iter(pieces))).await;
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(post(&place, submission(&place, "t", 32 * KIB).into()).await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn why_a_body_was_refused_is_told_although_it_never_ends() {
    let place = with_room(64 * KIB).await;
    let (pieces, body) = in_pieces();
    let large = submission(&place, "t", 100 * KIB);
    let send = async { pieces.send(large).await.expect("taken") };
    let (refused, ()) = tokio::join!(post(&place, body), send);
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    drop(pieces);
}

#[tokio::test(start_paused = true)]
async fn a_body_of_very_many_values_is_refused() {
    let place = Place::new().await;
    let body = format!(r#"{{"prompt":"p","workspace":"/w","metadata":[{}0]}}"#, "0,".repeat(1_000_000));
    for path in ["/api/v1/tasks", "/api/v1/tasks/batch", "/api/v1/sessions", "/api/v1/tickets"] {
        let request = Request::post(path).body(Body::from(body.clone())).expect("a request");
        let answer = read(place.send(request).await).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}");
        let detail = json!("the body has more than 100000 values: send less with one request");
        assert_eq!(answer.json()["detail"], detail, "{path}");
    }
}

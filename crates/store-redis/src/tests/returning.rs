//! What is done again because its answer was lost, and what outlasts the loss of a lease.

use std::time::Duration;

use store::conformance::{
    FailurePoint, NOW, append, claim, finish, id, spec, submit, submit_and_claim, ticket,
};
use store::{Claim, Claimed, PutBack, Release, Store, WaitReason, Waiting};

use super::instances::open_hasty;
use super::server::Server;
use super::{becomes, open_as};
use crate::RedisStore;

const PREFIX: &str = "{ccs}:";

impl RedisStore {
    fn lose_the_next_answer(&self) {
        *self.shared.link.failure.lock().expect("not poisoned") = Some(FailurePoint::AfterCommit);
    }
}

async fn lose_the_lease(store: &RedisStore) {
    store.expire().await;
    becomes(&mut store.lease().expect("shared"), |state| *state == store::LeaseState::Lost).await;
}

async fn taken(store: &RedisStore) -> Vec<Claimed> {
    store.take_over(NOW).await.expect("available")
}

#[tokio::test]
async fn what_was_taken_over_comes_again_until_its_session_is_given_back() {
    let server = Server::start("no");
    let dead = open_as(&server, PREFIX, "dead").await;
    for task in ["a", "b"] {
        submit_and_claim(&dead, task).await;
    }
    dead.close().await.expect("left");
    let one = open_as(&server, PREFIX, "one").await;
    one.lose_the_next_answer();
    one.take_over(NOW).await.expect_err("the answer is lost");
    let first = taken(&one).await;
    assert_eq!(first.iter().map(|one| one.task.spec.task_id.clone()).collect::<Vec<_>>(), [id("a"), id("b")]);
    assert_eq!(taken(&one).await, first, "under the same leases");

    // One is put back, and what gives its session back gets lost.
    let waiting = Waiting { reason: WaitReason::CutOff, until: NOW };
    let put_back = PutBack { append: append(&first[0], 1..=1), waiting, failed: false, question: None };
    one.put_back(put_back).await.expect("put back");
    let two = open_as(&server, PREFIX, "two").await;
    assert_eq!(two.claim(ticket(), NOW).await, Ok(Claim::Nothing { until: None }), "its session is held");
    let [left] = &*taken(&one).await else { unreachable!("only the other one is left") };
    assert_eq!(left, &first[1]);
    let again = claim(&two, NOW).await;
    assert_eq!((again.task.spec.task_id.clone(), again.task.attempt), (id("a"), 2));

    // Who dies meanwhile leaves the rest to the next one.
    one.close().await.expect("left");
    let rest = taken(&two).await;
    assert_eq!(rest.iter().map(|one| one.task.spec.task_id.clone()).collect::<Vec<_>>(), [id("b")]);
    assert!(rest[0].token > left.token);
    let session_id = left.task.session_id.clone();
    let release = Release { session_id, token: left.token, conversation: None, now: NOW };
    one.release(release).await.expect("answered");
    assert_eq!(taken(&two).await, rest, "an outdated release changes nothing");
    finish(&two, &rest[0], 1).await;
    assert_eq!(taken(&two).await, []);
}

#[tokio::test]
async fn a_beginning_whose_answer_is_lost_is_begun_once() {
    let server = Server::start("no");
    let one = open_hasty(&server, "one").await;
    lose_the_lease(&one).await;
    one.lose_the_next_answer();
    one.rejoin().await.expect_err("the answer is lost");
    let listed = one.instances().await.expect("available");
    one.rejoin().await.expect("it knows its own beginning");
    let me = one.instance().expect("shared");
    assert_eq!(listed.iter().map(|one| one.id.clone()).collect::<Vec<_>>(), [me]);
    assert_eq!(one.instances().await.expect("available").len(), 1);
    submit_and_claim(&one, "t").await;
}

#[tokio::test]
async fn who_drains_goes_on_draining_after_its_lease_was_lost() {
    let server = Server::start("no");
    let (one, two) = (open_hasty(&server, "one").await, open_as(&server, PREFIX, "two").await);
    two.submit(submit(spec("t"))).await.expect("admitted");
    let me = one.instance().expect("shared");
    assert_eq!(two.set_draining(&me, true).await, Ok(true));
    lose_the_lease(&one).await;
    one.rejoin().await.expect("joins");
    assert_eq!(one.claim(ticket(), NOW).await, Ok(Claim::Nothing { until: None }));
    let me = one.instance().expect("shared");
    let mine = two.instances().await.expect("available").into_iter().find(|found| found.id == me);
    assert!(mine.expect("it takes part").draining);
    assert_eq!(two.set_draining(&me, false).await, Ok(true));
    assert_eq!(claim(&one, NOW).await.task.spec.task_id, id("t"));
    assert!(one.lease_ends().expect("shared") > store::boot_time() + Duration::from_secs(1));
}

#[tokio::test]
async fn who_finds_that_redis_has_lost_what_it_acknowledged_begins_anew() {
    let server = Server::start("no");
    let one = open_hasty(&server, "one").await;
    let others = [open_hasty(&server, "two").await, open_hasty(&server, "three").await];
    let before = submit_and_claim(&one, "t").await;
    // As after a failover to a replica that was behind.
    server.run(&["HINCRBY", "{ccs}:meta", "news", "-1"]);
    server.run(&["HSET", "{ccs}:meta", "token", "0"]);
    server.run(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    becomes(&mut one.lease().expect("shared"), |state| *state == store::LeaseState::Lost).await;
    one.rejoin().await.expect("joins");
    // That has made commits; all others notice all the same, and once.
    for other in &others {
        becomes(&mut other.lease().expect("shared"), |state| *state == store::LeaseState::Lost).await;
        other.rejoin().await.expect("joins");
    }
    for store in others.iter().chain([&one]) {
        let beaten = store.lease_ends().expect("shared");
        while store.lease_ends().expect("shared") == beaten {
            tokio::task::yield_now().await;
        }
        assert!(matches!(*store.lease().expect("shared").borrow(), store::LeaseState::Held { .. }));
    }
    let again = taken(&one).await;
    let [again] = &*again else { unreachable!("it ran here: {again:?}") };
    assert!(again.token > before.token && !one.lease().expect("shared").borrow().covers(before.token));
}

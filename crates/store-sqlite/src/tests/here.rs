//! Commands that are carried out where they are asked for.

use std::sync::Arc;
use std::thread::{ThreadId, current};

use domain::{SessionChoice, SessionId, TaskSpec, WhenBusy};
use store::conformance::{FailurePoint, NOW, claim, id, spec, submit};
use store::{Store, StoreError};

use crate::inbox::closed;
use crate::store::{LONG, MOST_HERE};
use crate::{SqliteOptions, Sync};

use super::*;

async fn thread_of(store: &SqliteStore, weight: usize) -> ThreadId {
    store.command(weight, |_| Ok::<_, StoreError>(current().id())).await.expect("carried out")
}

/// Waits until the writer's thread, which answers before it lets go of what it had in hand, has done so.
async fn thread_is_free(store: &SqliteStore) {
    while !store.inbox.is_quiet() {
        tokio::task::yield_now().await;
    }
    store.seat.with(|_| ()).expect("at work");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_small_is_done_at_once_and_what_may_take_long_by_the_writers_thread() {
    let place = Place::new();
    let store = place.open();
    let here = current().id();
    assert_ne!(thread_of(&store, 0).await, here, "it begins the log");
    thread_is_free(&store).await;
    assert_eq!(thread_of(&store, 0).await, here);
    assert_ne!(thread_of(&store, LONG).await, here);
    let path = place.path("full.db");
    let options = SqliteOptions { path, sync: Sync::Full, settings: CoreSettings::default() };
    let full = SqliteStore::open(options).expect("opens");
    assert_ne!(thread_of(&full, 0).await, here);
    assert_ne!(thread_of(&full, 0).await, here, "each commit waits for the disk");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_overtakes_nobody_and_waits_for_no_other_program() {
    let place = Place::new();
    let store = place.open();
    thread_of(&store, LONG).await;
    let here = current().id();
    let release = hold(&store).await;
    let waits = thread_of(&store, 0);
    tokio::pin!(waits);
    tokio::select! {
        biased;
        _ = &mut waits => unreachable!("the writer is at work"),
        () = std::future::ready(()) => {}
    }
    drop(release);
    assert_ne!(waits.await, here);
    let other = rusqlite::Connection::open(place.database()).expect("opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("begun");
    let waits = thread_of(&store, 0);
    tokio::pin!(waits);
    tokio::select! {
        biased;
        _ = &mut waits => unreachable!("another program writes"),
        () = std::future::ready(()) => {}
    }
    other.execute_batch("ROLLBACK").expect("ended");
    assert_ne!(waits.await, here);
}

#[test]
fn a_submission_that_brings_much_is_left_to_the_thread_whatever_is_much_in_it() {
    let weight = |change: fn(&mut TaskSpec)| {
        let mut submit = submit(spec("t"));
        change(&mut submit.spec);
        crate::store::weight(&submit) > MOST_HERE
    };
    assert!(!weight(|_| ()));
    assert!(weight(|spec| spec.prompt = "x".repeat(MOST_HERE)));
    assert!(weight(|spec| spec.metadata = Some("x".repeat(MOST_HERE))));
    let reuse = SessionChoice::Reuse { id: SessionId::for_task(&id("t")), when_busy: WhenBusy::Interrupt };
    let mut interrupts = submit(spec("t"));
    interrupts.spec.session = reuse;
    assert!(crate::store::weight(&interrupts) > MOST_HERE);
}

#[tokio::test]
async fn a_runtime_of_one_thread_is_not_held_up() {
    let place = Place::new();
    assert_ne!(thread_of(&place.open(), 0).await, current().id());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_commit_is_told_and_the_next_one_finds_what_the_tables_say() {
    let place = Place::new();
    let store = place.open();
    thread_of(&store, LONG).await;
    thread_is_free(&store).await;
    *store.failure.lock().expect("not poisoned") = Some(FailurePoint::BeforeCommit);
    assert!(store.submit(submit(spec("t"))).await.is_err());
    assert!(store.submit(submit(spec("t"))).await.expect("admitted").created);
    assert_eq!(store.open_tasks().await, Ok(vec![id("t")]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_panics_ends_the_store_and_nothing_that_it_kept_is_lost() {
    let place = Place::new();
    let store = Arc::new(place.open());
    store.submit(submit(spec("kept"))).await.expect("admitted");
    thread_is_free(&store).await;
    assert_eq!(thread_of(&store, 0).await, current().id());
    let panicking = Arc::clone(&store);
    let panics = tokio::spawn(async move {
        panicking.command(0, |_| -> Result<(), StoreError> { unreachable!("a test lets it panic") }).await
    });
    assert!(panics.await.expect_err("panicked").is_panic());
    store.ended().await;
    assert_eq!(store.claim(1, NOW).await.map(|_| ()), Err(closed()));
    store.close();
    let again = place.open();
    assert_eq!(again.open_tasks().await, Ok(vec![id("kept")]));
    assert_eq!(claim(&again, NOW).await.task.spec.task_id, id("kept"));
}

use std::sync::Arc;

use agent::PermissionHandler;
use agent::claude::Pool;
use agent::protocol::{CanUseTool, LaunchOptions, PermissionAnswer};

use crate::place::{Place, Session};
use crate::prepared::older_cli;

fn pool(place: &Place) -> Pool {
    let parking = place.work().with_file_name("parking");
    std::fs::create_dir(&parking).unwrap();
    Pool::new(Arc::clone(&place.launcher), parking, 2)
}

fn allow() -> Arc<dyn PermissionHandler> {
    Arc::new(async |_: CanUseTool| PermissionAnswer::allow())
}

async fn start(pool: &Pool, place: &Place, launch: &LaunchOptions) -> Session {
    Session::new(pool.start(place.work(), launch, allow()).await.unwrap()).await
}

#[tokio::test]
async fn a_waiting_agent_is_bound_to_the_folder_and_asks_the_host_that_took_it() {
    let place = Place::new().await;
    let pool = pool(&place);
    assert!(pool.add_spare(&LaunchOptions::default()).await);
    let plan = LaunchOptions { permission_mode: Some("acceptEdits"), ..LaunchOptions::default() };
    let mut session = start(&pool, &place, &plan).await;
    assert_eq!(pool.waiting(), 0, "it was taken");
    let turn = session.turn("[[write a.txt x]] [[bash pwd > where.txt]] [[say done]]").await;
    assert_eq!((turn.end.text.as_str(), place.read("a.txt").as_str()), ("done", "x"));
    assert_eq!(place.read("where.txt").trim(), place.work().to_str().unwrap());
    session.close().await;
}

#[tokio::test]
async fn an_agent_that_was_started_in_place_is_taken_first_and_other_options_get_a_new_one() {
    let place = Place::new().await;
    let pool = pool(&place);
    let launch = LaunchOptions::default();
    assert!(pool.add_in_place(place.work(), &launch).await);
    assert!(pool.add_spare(&launch).await);
    assert!(!pool.add_spare(&launch).await, "the pool is full");
    let mut other = start(&pool, &place, &LaunchOptions { max_turns: Some(3), ..launch.clone() }).await;
    assert_eq!(pool.waiting(), 2, "none of them fits");
    assert_eq!(other.turn("[[say cold]]").await.end.text, "cold");
    let mut session = start(&pool, &place, &launch).await;
    assert_eq!(pool.waiting(), 1);
    session.turn("[[write a.txt x]] [[say done]]").await;
    assert_eq!(place.read("a.txt"), "x");
    other.close().await;
    session.close().await;
}

#[tokio::test]
async fn with_a_cli_that_cannot_wait_agents_are_started_when_they_are_needed() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::with(older_cli(&folder)).await;
    let pool = pool(&place);
    assert!(!pool.add_spare(&LaunchOptions::default()).await);
    assert!(!pool.add_spare(&LaunchOptions::default()).await, "it is not tried again");
    let mut session = start(&pool, &place, &LaunchOptions::default()).await;
    assert_eq!(session.turn("[[say cold]]").await.end.text, "cold");
    session.close().await;
}

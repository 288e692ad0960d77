use agent::TurnEnding;
use agent::protocol::LaunchOptions;

use crate::place::{Place, allowing};

#[tokio::test]
async fn max_turns_ends_the_turn_and_says_so() {
    let place = Place::new().await;
    let launch = LaunchOptions { max_turns: Some(2), ..LaunchOptions::default() };
    let mut session = place.open(place.options(launch), allowing()).await;
    let turn = session.turn("[[bash true]] [[bash true]] [[bash true]] [[say done]]").await;
    let reason = "the limit of turns was reached (max_turns)".to_owned();
    assert_eq!((turn.end.ending, turn.end.subtype.as_str()), (TurnEnding::Failed(reason), "error_max_turns"));
    // The limit is one of each turn, and the process goes on.
    assert_eq!(session.turn("[[say again]]").await.end.text, "again");
    session.close().await;
}

#[tokio::test]
async fn a_spent_budget_ends_the_turn_and_says_so() {
    let place = Place::new().await;
    let launch = LaunchOptions { max_budget_usd: Some(0.01), ..LaunchOptions::default() };
    let mut session = place.open(place.options(launch), allowing()).await;
    let turn = session.turn("[[usage 100000 1000]] [[bash true]] [[bash true]] [[say done]]").await;
    let reason = "the budget is spent (max_budget_usd)".to_owned();
    assert_eq!(turn.end.ending, TurnEnding::Failed(reason));
    assert!(turn.end.cost_usd > 0.01, "{}", turn.end.cost_usd);
    session.close().await;
}

//! What people say to an agent while it works.

use super::*;

const MESSAGE: Uuid = Uuid::from_u128(9);

fn message() -> Input {
    Input::Message { id: MESSAGE, text: "hurry".into() }
}

fn idle() -> Input {
    Input::Agent(AgentEvent::Idle)
}

const COMPLETED: &str = "Completed \"done\" [] $0.25";

#[test]
fn a_message_goes_to_the_agent_once_it_is_ready_and_into_the_log_at_once() {
    let mut machine = machine();
    assert!(machine.takes_messages());
    assert_eq!(play(&mut machine, [message()]), ["User hurry"]);
    assert_eq!(play(&mut machine, [ready()]), ["Prompt", "Prompt"]);
    let end = play(&mut machine, [turn(TurnEnding::Completed, vec![PROMPT, MESSAGE])]);
    assert_eq!(end.last().map(String::as_str), Some(COMPLETED));
    assert!(!machine.takes_messages());
}

#[test]
fn what_came_too_late_for_a_turn_has_one_of_its_own() {
    let mut machine = machine();
    play(&mut machine, [ready()]);
    assert_eq!(play(&mut machine, [message()]), ["User hurry", "Prompt"]);
    let first = play(&mut machine, [turn(TurnEnding::Completed, vec![PROMPT])]);
    assert_eq!(first.last().map(String::as_str), Some("progress 15"));
    let second = play(&mut machine, [turn(TurnEnding::Completed, vec![MESSAGE])]);
    assert_eq!(second.last().map(String::as_str), Some("Completed \"done\" [] $0.5"));
}

#[test]
fn an_agent_that_forgets_a_message_does_not_hold_the_task_up() {
    let mut machine = machine();
    play(&mut machine, [ready(), message(), turn(TurnEnding::Completed, vec![PROMPT]), idle()]);
    assert_eq!(machine.farewell(), None);
    let end = play(&mut machine, [Input::Elapsed(Timer::Result)]);
    assert_eq!(end, [COMPLETED]);
    let mut refused = Machine::new(plan());
    let refusal = Input::Agent(AgentEvent::PromptRefused(MESSAGE));
    let end = play(&mut refused, [ready(), message(), refusal, turn(TurnEnding::Completed, vec![PROMPT])]);
    assert_eq!(end.last().map(String::as_str), Some(COMPLETED), "only the message was refused");
}

#[test]
fn a_message_wakes_an_agent_whose_background_tasks_run() {
    let mut machine = machine();
    let background = |open| Input::Agent(AgentEvent::Background { open });
    play(&mut machine, [ready(), background(1), turn(TurnEnding::Completed, vec![PROMPT])]);
    assert_eq!(play(&mut machine, [message()]), ["User hurry", "Prompt"]);
    play(&mut machine, [turn(TurnEnding::Completed, vec![MESSAGE])]);
    assert_eq!(machine.farewell(), None, "they still run");
}

#[test]
fn what_an_earlier_agent_had_not_heard_is_told_after_the_prompt() {
    let messages = crate::run::messages::Earlier {
        known: vec![Uuid::from_u128(10), MESSAGE],
        untold: vec![(MESSAGE, "hurry".into())],
    };
    let mut machine = Machine::new(Plan { start: Start::GoOn, messages, ..plan() });
    assert_eq!(play(&mut machine, [ready()]), ["Continue", "Prompt"]);
    let end =
        play(&mut machine, [turn(TurnEnding::Completed, vec![CONTINUATION, Uuid::from_u128(10), MESSAGE])]);
    assert_eq!(end.last().map(String::as_str), Some(COMPLETED));
}

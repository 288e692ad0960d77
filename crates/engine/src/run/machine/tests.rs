use std::time::Duration;

use agent::{ApiError, Statement, TurnEnd, Vitals};
use domain::{OnRestart, OnStall, Policy, Retry, TokenUsage};
use proptest::prelude::*;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::ending::last_characters;
use super::*;

mod again;
mod told;

const PROMPT: Uuid = Uuid::from_u128(7);

const CONTINUATION: Uuid = Uuid::from_u128(8);

fn plan() -> Plan {
    Plan {
        start: Start::Prompt,
        prompt: PROMPT,
        continuations: vec![CONTINUATION],
        text: "do it".into(),
        continuation: (CONTINUATION, "go on".into()),
        tells: None,
        may_ask: true,
        timeout_seconds: 60,
        policy: Policy::default(),
        failures: 0,
        progress: Progress::default(),
        cost_usd: 0.0,
        stall_after_ms: 300_000,
        is_durable: true,
        is_parked_too_long: false,
        messages: crate::run::messages::Earlier::default(),
        trace_parent: None,
    }
}

fn machine() -> Machine {
    Machine::new(plan())
}

fn with_policy(policy: Policy) -> Machine {
    Machine::new(Plan { policy, ..plan() })
}

fn turn(ending: TurnEnding, prompts: Vec<Uuid>) -> Input {
    Input::Agent(AgentEvent::TurnEnded(TurnEnd {
        prompts,
        ending,
        api_error: None,
        text: "done".into(),
        turns: 2,
        tokens: Some(TokenUsage { input: 10, output: 5, ..TokenUsage::default() }),
        cost_usd: 0.25,
        subtype: "success".into(),
        data: RawValue::from_string("{}".into()).expect("JSON"),
    }))
}

/// The turn ends because the model API answers with that status.
fn api_error(status: u16) -> Input {
    let Input::Agent(AgentEvent::TurnEnded(end)) = turn(TurnEnding::Failed("API Error".into()), vec![PROMPT])
    else {
        unreachable!("a turn's end")
    };
    let api_error = Some(ApiError { status: Some(status), kind: "api_error".into() });
    Input::Agent(AgentEvent::TurnEnded(TurnEnd { api_error, ..end }))
}

fn tool_use() -> Input {
    let input = RawValue::from_string("{}".into()).expect("JSON");
    let statement = Statement::ToolUse { id: "call".into(), name: "Bash".into(), input };
    Input::Agent(AgentEvent::Said(Said { statement, parent_tool_use_id: None }))
}

fn text(content: &str) -> Input {
    let statement = Statement::Text { content: content.into(), model: "m".into() };
    Input::Agent(AgentEvent::Said(Said { statement, parent_tool_use_id: None }))
}

fn exited() -> Input {
    Input::Agent(AgentEvent::Exited(Exit {
        code: Some(3),
        signal: None,
        stderr_tail: "boom\n".into(),
        conversation_lost: false,
    }))
}

fn ready() -> Input {
    Input::Agent(AgentEvent::Ready)
}

fn show(effect: Effect) -> String {
    match effect {
        Effect::Emit(EventBody::Message(data)) => format!("{:?} {}", data.message_type, data.content),
        Effect::Emit(EventBody::Progress(progress)) => format!("progress {}", progress.tokens_used),
        Effect::Emit(EventBody::Error(error)) => format!("error {} {}", error.code, error.error),
        Effect::Emit(body) => format!("{body:?}"),
        Effect::Finish(outcome) => {
            format!(
                "{:?} {:?} {:?} ${}",
                outcome.ending, outcome.summary, outcome.errors, outcome.total_cost_usd
            )
        }
        Effect::Prompt { id, .. } if id == CONTINUATION => "Continue".to_owned(),
        Effect::Prompt { .. } => "Prompt".to_owned(),
        Effect::PutBack(again) => {
            format!("PutBack {:?} {:?} failed {}", again.reason, again.until, again.failed)
        }
        effect => format!("{effect:?}"),
    }
}

/// What comes of the inputs. The watchdog's alarm clock is left out.
fn play(machine: &mut Machine, inputs: impl IntoIterator<Item = Input>) -> Vec<String> {
    let mut effects = Vec::new();
    inputs.into_iter().for_each(|input| machine.step(input, 0, &mut effects));
    effects.into_iter().filter(|effect| !matches!(effect, Effect::Arm(Timer::Watch))).map(show).collect()
}

#[test]
fn a_turn_that_answers_the_prompt_ends_the_task() {
    let mut machine = machine();
    let inputs = [ready(), text("hi"), turn(TurnEnding::Completed, vec![PROMPT])];
    assert_eq!(
        play(&mut machine, inputs),
        ["Prompt", "Assistant hi", "Result done", "progress 15", "Completed \"done\" [] $0.25"]
    );
    assert_eq!(play(&mut machine, [text("late"), exited()]), Vec::<String>::new(), "nothing after the end");
}

#[test]
fn a_turn_that_nobody_sent_does_not_end_the_task() {
    let mut machine = machine();
    let inputs = [ready(), turn(TurnEnding::Completed, vec![])];
    assert_eq!(play(&mut machine, inputs), ["Prompt", "Result done", "progress 15"]);
    assert_eq!(machine.farewell(), None);
}

#[test]
fn background_tasks_hold_the_task_open_until_their_follow_up_turn_has_ended() {
    let mut machine = machine();
    let background = |open| Input::Agent(AgentEvent::Background { open });
    play(&mut machine, [ready(), background(1)]);
    assert_eq!(
        play(&mut machine, [turn(TurnEnding::Completed, vec![PROMPT])]),
        ["Result done", "progress 15", "Arm(Background)"]
    );
    assert_eq!(play(&mut machine, [Input::Agent(AgentEvent::Idle)]), Vec::<String>::new());
    assert_eq!(play(&mut machine, [background(0)]), ["Arm(FollowUp)"]);
    assert_eq!(
        play(&mut machine, [Input::Agent(AgentEvent::Busy), turn(TurnEnding::Completed, vec![])]),
        ["Result done", "progress 30", "Completed \"done\" [] $0.5"]
    );
}

#[test]
fn a_background_task_without_follow_up_ends_the_task_after_a_grace() {
    let mut machine = machine();
    let background = |open| Input::Agent(AgentEvent::Background { open });
    play(&mut machine, [ready(), background(1), turn(TurnEnding::Completed, vec![PROMPT]), background(0)]);
    assert_eq!(play(&mut machine, [Input::Elapsed(Timer::FollowUp)]), ["Completed \"done\" [] $0.25"]);
}

#[test]
fn a_follow_up_turn_may_take_its_time() {
    let mut machine = machine();
    let background = |open| Input::Agent(AgentEvent::Background { open });
    play(&mut machine, [ready(), background(2), turn(TurnEnding::Completed, vec![PROMPT])]);
    play(&mut machine, [background(1), Input::Agent(AgentEvent::Busy)]);
    assert_eq!(
        play(&mut machine, [turn(TurnEnding::Completed, vec![])]).len(),
        2,
        "the other task still runs"
    );
    play(&mut machine, [Input::Agent(AgentEvent::Idle), background(0), Input::Agent(AgentEvent::Busy)]);
    let elapsed = [Input::Elapsed(Timer::FollowUp), Input::Elapsed(Timer::Background)];
    assert_eq!(play(&mut machine, elapsed), Vec::<String>::new());
    assert_eq!(
        play(&mut machine, [text("late"), turn(TurnEnding::Completed, vec![])]).pop(),
        Some("Completed \"done\" [] $0.75".into())
    );
}

#[test]
fn background_tasks_that_never_end_are_given_up() {
    let mut machine = machine();
    let background = |open| Input::Agent(AgentEvent::Background { open });
    play(&mut machine, [ready(), background(1), turn(TurnEnding::Completed, vec![PROMPT])]);
    assert_eq!(play(&mut machine, [Input::Elapsed(Timer::Background)]), ["Completed \"done\" [] $0.25"]);
}

#[test]
fn an_agent_that_goes_idle_without_a_result_is_not_waited_for() {
    let mut machine = machine();
    play(&mut machine, [ready(), Input::Agent(AgentEvent::Busy)]);
    assert_eq!(play(&mut machine, [Input::Agent(AgentEvent::Idle)]), ["Arm(Result)"]);
    assert_eq!(play(&mut machine, [Input::Elapsed(Timer::Result)]), ["Stop(Now)"]);
    let shown = play(&mut machine, [exited()]);
    assert_eq!(shown[0], "error agent_failed the agent went idle without saying how its turn ended");
}

#[test]
fn an_agent_that_is_lost_while_it_is_interrupted_still_counts_as_interrupted() {
    let mut machine = machine();
    play(&mut machine, [ready(), Input::InterruptRequested]);
    assert_eq!(play(&mut machine, [Input::AgentLost]), ["Stop(Now)"]);
    assert_eq!(play(&mut machine, [exited()]), ["Interrupted \"\" [\"interrupted by request\"] $0"]);
}

#[test]
fn an_agent_that_is_lost_tells_why_by_its_end() {
    let mut machine = machine();
    play(&mut machine, [ready()]);
    assert_eq!(play(&mut machine, [Input::AgentLost]), ["Stop(Now)"]);
    assert_eq!(
        play(&mut machine, [exited()])[0],
        "error agent_exited the agent could no longer be reached (exit code 3): boom"
    );
}

#[test]
fn a_conversation_that_is_gone_is_said_to_be_and_not_started_anew() {
    let mut machine = machine();
    let exit =
        Exit { code: Some(1), signal: None, stderr_tail: "No conversation".into(), conversation_lost: true };
    let shown = play(&mut machine, [Input::Agent(AgentEvent::Exited(exit))]);
    assert!(shown[0].starts_with("error conversation_lost"), "{shown:?}");
}

#[test]
fn an_interrupt_waits_for_the_turn_to_end_and_is_the_outcome_even_if_the_turn_completes() {
    for ending in [TurnEnding::Aborted, TurnEnding::Completed] {
        let mut machine = machine();
        play(&mut machine, [ready()]);
        assert_eq!(play(&mut machine, [Input::InterruptRequested]), ["Interrupt", "Arm(Interrupt)"]);
        assert_eq!(
            play(&mut machine, [turn(ending, vec![PROMPT])]),
            ["Result done", "progress 15", "Interrupted \"done\" [\"interrupted by request\"] $0.25"]
        );
    }
}

#[test]
fn only_an_agent_whose_turn_ended_by_itself_can_go_on() {
    let now = Some(Farewell::Stop(Urgency::Now));
    for (inputs, farewell) in [
        (vec![ready(), turn(TurnEnding::Completed, vec![PROMPT])], Some(Farewell::Keep)),
        (vec![ready(), turn(TurnEnding::Failed("no".into()), vec![PROMPT])], Some(Farewell::Keep)),
        (vec![ready(), Input::InterruptRequested, turn(TurnEnding::Aborted, vec![PROMPT])], now),
        (vec![ready(), exited()], now),
        (vec![ready()], None),
    ] {
        let mut machine = machine();
        play(&mut machine, inputs);
        assert_eq!(machine.farewell(), farewell);
    }
}

#[test]
fn an_agent_that_ignores_the_interrupt_is_ended() {
    let mut machine = machine();
    play(&mut machine, [ready(), Input::InterruptRequested]);
    assert_eq!(play(&mut machine, [Input::Elapsed(Timer::Interrupt)]), ["Stop(Now)"]);
    assert_eq!(
        play(&mut machine, [text("last words"), Input::Stopped]),
        ["Assistant last words", "Arm(LastWords)"]
    );
    assert_eq!(
        play(&mut machine, [Input::Elapsed(Timer::LastWords)]),
        ["Interrupted \"last words\" [\"interrupted by request\"] $0"]
    );
}

#[test]
fn an_agent_that_only_waits_for_background_tasks_is_ended_at_once() {
    let mut machine = machine();
    let background = |open| Input::Agent(AgentEvent::Background { open });
    play(&mut machine, [ready(), background(1), turn(TurnEnding::Completed, vec![PROMPT])]);
    assert_eq!(play(&mut machine, [Input::InterruptRequested]), ["Stop(Now)"]);
    assert_eq!(play(&mut machine, [exited()]), ["Interrupted \"done\" [\"interrupted by request\"] $0.25"]);
}

#[test]
fn an_agent_that_is_idle_after_the_interrupt_has_nothing_left_to_end() {
    let mut machine = machine();
    play(&mut machine, [ready(), Input::InterruptRequested]);
    assert_eq!(
        play(&mut machine, [Input::Agent(AgentEvent::Idle)]),
        ["Interrupted \"\" [\"interrupted by request\"] $0"]
    );
}

#[test]
fn a_flood_of_stderr_is_cut_to_its_end() {
    assert_eq!(last_characters("äöü", 2), "öü");
    assert_eq!(last_characters("äöü", 5), "äöü");
    assert_eq!(last_characters("", 5), "");
}

#[test]
fn an_agent_that_is_not_ready_yet_is_ended_at_once() {
    let mut machine = machine();
    assert_eq!(play(&mut machine, [Input::InterruptRequested]), ["Stop(Now)"]);
    assert_eq!(
        play(&mut machine, [ready(), exited()]),
        ["Interrupted \"\" [\"interrupted by request\"] $0"],
        "and gets no prompt any more"
    );
}

#[test]
fn a_timeout_fails_the_task_and_stops_the_agent() {
    let mut machine = machine();
    play(&mut machine, [ready()]);
    assert_eq!(play(&mut machine, [Input::Elapsed(Timer::Task)]), ["Interrupt", "Arm(Interrupt)"]);
    assert_eq!(
        play(&mut machine, [turn(TurnEnding::Aborted, vec![PROMPT])]).split_off(2),
        [
            "error task_timeout timed out after 60 seconds",
            "TimedOut \"done\" [\"timed out after 60 seconds\"] $0.25"
        ]
    );
}

#[test]
fn a_refused_key_is_noticed_at_the_first_retry() {
    let mut machine = machine();
    play(&mut machine, [ready()]);
    let retry = |status| Input::Agent(AgentEvent::Retrying { status, attempt: 1, delay: Duration::ZERO });
    assert_eq!(play(&mut machine, [retry(Some(529)), retry(None)]), Vec::<String>::new());
    assert_eq!(play(&mut machine, [retry(Some(401))]), ["Interrupt", "Arm(Interrupt)"]);
    let shown = play(&mut machine, [turn(TurnEnding::Aborted, vec![PROMPT])]);
    assert_eq!(
        shown[2],
        "error model_api_key_refused the model API refused the key (HTTP status 401): check CLAUDE_API_KEY"
    );
}

#[test]
fn an_agent_that_dies_fails_the_task_with_its_last_words() {
    let mut machine = machine();
    let reason = "the agent ended before it was ready (exit code 3): boom";
    assert_eq!(
        play(&mut machine, [exited()]),
        [format!("error agent_exited {reason}"), format!("Failed \"\" [{reason:?}] $0")]
    );
}

fn any_input() -> impl Strategy<Value = fn() -> Input> {
    prop_oneof![
        Just((|| Input::Agent(AgentEvent::Ready)) as fn() -> Input),
        Just((|| Input::Agent(AgentEvent::Unusable("no".into()))) as fn() -> Input),
        Just((|| text("x")) as fn() -> Input),
        Just((|| Input::Agent(AgentEvent::Busy)) as fn() -> Input),
        Just((|| Input::Agent(AgentEvent::Idle)) as fn() -> Input),
        Just((|| Input::Agent(AgentEvent::Background { open: 1 })) as fn() -> Input),
        Just((|| Input::Agent(AgentEvent::Background { open: 0 })) as fn() -> Input),
        Just(
            (|| {
                Input::Agent(AgentEvent::Retrying { status: Some(401), attempt: 1, delay: Duration::ZERO })
            }) as fn() -> Input
        ),
        Just((|| turn(TurnEnding::Completed, vec![PROMPT])) as fn() -> Input),
        Just((|| turn(TurnEnding::Failed("f".into()), vec![])) as fn() -> Input),
        Just((|| turn(TurnEnding::Aborted, vec![PROMPT])) as fn() -> Input),
        Just(exited as fn() -> Input),
        Just((|| Input::AgentLost) as fn() -> Input),
        Just((|| Input::InterruptRequested) as fn() -> Input),
        Just((|| Input::ShutdownRequested) as fn() -> Input),
        Just((|| Input::Stopped) as fn() -> Input),
        Just((|| Input::Agent(AgentEvent::PromptRefused(PROMPT))) as fn() -> Input),
        Just((|| Input::Elapsed(Timer::Task)) as fn() -> Input),
        Just((|| Input::Elapsed(Timer::Watch)) as fn() -> Input),
        Just((|| Input::Looked { silent_ms: 400_000, vitals: None }) as fn() -> Input),
        Just((|| api_error(429)) as fn() -> Input),
        Just((|| api_error(500)) as fn() -> Input),
        Just((|| Input::Agent(AgentEvent::TurnResumed)) as fn() -> Input),
        Just((|| Input::Elapsed(Timer::FollowUp)) as fn() -> Input),
        Just((|| Input::Elapsed(Timer::Background)) as fn() -> Input),
        Just((|| Input::Elapsed(Timer::Result)) as fn() -> Input),
        Just((|| Input::Elapsed(Timer::Interrupt)) as fn() -> Input),
        Just((|| Input::Elapsed(Timer::LastWords)) as fn() -> Input),
    ]
}

proptest! {
    #[test]
    fn any_order_of_inputs_ends_exactly_once(
        inputs in proptest::collection::vec(any_input(), 0..40),
        persistent: bool,
    ) {
        let retry = Retry { max_attempts: 2, after_side_effects: true };
        let policy = Policy { retry, on_restart: OnRestart::Resume, on_stall: OnStall::Resume, ..Policy::default() };
        let mut machine = if persistent { with_policy(policy) } else { machine() };
        let mut effects = Vec::new();
        for input in inputs {
            machine.step(input(), 0, &mut effects);
        }
        // Whatever happened: once the agent is gone, the task has ended.
        machine.step(exited(), 0, &mut effects);
        prop_assert!(machine.farewell().is_some());
        let ends: Vec<_> = effects
            .iter()
            .enumerate()
            .filter(|(_, effect)| matches!(effect, Effect::Finish(_) | Effect::PutBack(_)))
            .map(|(place, _)| place)
            .collect();
        prop_assert_eq!(ends, [effects.len() - 1], "one end, and nothing after it");
        let prompts = effects.iter().filter(|effect| matches!(effect, Effect::Prompt { .. })).count();
        prop_assert!(prompts <= 1);
    }
}

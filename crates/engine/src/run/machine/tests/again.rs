//! Further attempts, and the watchdog.

use agent::Asked;
use domain::InputDigest;

use super::*;

fn last(machine: &mut Machine, inputs: impl IntoIterator<Item = Input>) -> String {
    play(machine, inputs).pop().unwrap_or_default()
}

#[test]
fn a_rate_limit_parks_the_task_until_the_time_that_the_api_gave() {
    let until = Timestamp::from_millis(5_000);
    for (limited, expected) in [(Some(until), Some(until)), (None, None)] {
        let mut machine = machine();
        let limited = limited.map(|until| Input::Agent(AgentEvent::RateLimited { until }));
        let inputs = [ready()].into_iter().chain(limited).chain([api_error(429)]);
        assert_eq!(last(&mut machine, inputs), format!("PutBack RateLimit {expected:?} failed false"));
        assert_eq!(machine.farewell(), Some(Farewell::Stop(Urgency::Orderly)));
    }
    let mut overloaded = machine();
    assert_eq!(last(&mut overloaded, [ready(), api_error(529)]), "PutBack RateLimit None failed false");
}

#[test]
fn a_task_that_was_parked_for_too_long_fails() {
    let mut machine = Machine::new(Plan { is_parked_too_long: true, ..plan() });
    assert_eq!(last(&mut machine, [ready(), api_error(429)]), "Failed \"done\" [\"API Error\"] $0.25");
}

#[test]
fn a_failure_is_tried_again_as_far_as_the_policy_lets_and_not_silently_after_side_effects() {
    let retry = |max_attempts, after_side_effects| Policy {
        retry: Retry { max_attempts, after_side_effects },
        ..Policy::default()
    };
    let again = "PutBack Retry None failed true";
    let failed = "Failed \"done\" [\"API Error\"] $0.25";
    for (policy, inputs, expected) in [
        (retry(1, false), vec![ready(), api_error(500)], failed),
        (retry(2, false), vec![ready(), api_error(500)], again),
        (retry(2, false), vec![ready(), tool_use(), api_error(500)], failed),
        (retry(2, true), vec![ready(), tool_use(), api_error(500)], again),
        (retry(2, true), vec![ready(), api_error(400)], failed),
        (retry(2, false), vec![ready(), exited()], "PutBack CutOff None failed true"),
    ] {
        assert_eq!(last(&mut with_policy(policy), inputs), expected, "{policy:?}");
    }
    let mut exhausted = Machine::new(Plan { failures: 1, policy: retry(2, true), ..plan() });
    assert_eq!(last(&mut exhausted, [ready(), api_error(500)]), failed);
}

#[test]
fn a_question_parks_the_task_as_soon_as_the_turn_has_ended_and_the_agent_ends_in_order() {
    let asked = || {
        Input::Agent(AgentEvent::Asked(Box::new(Asked {
            tool_use_id: "call".into(),
            tool: "Bash".into(),
            input: Box::default(),
            digest: InputDigest([0; 32]),
            description: None,
            reason: None,
        })))
    };
    for end in [turn(TurnEnding::Aborted, vec![PROMPT]), Input::Agent(AgentEvent::Idle), exited()] {
        let mut machine = machine();
        assert_eq!(play(&mut machine, [ready(), asked()]), ["Prompt", "Arm(Interrupt)"]);
        assert_eq!(last(&mut machine, [asked(), end]), "PutBack Answer None failed false");
        assert_eq!(machine.farewell(), Some(Farewell::Stop(Urgency::Orderly)));
    }
    let mut follow_up = machine();
    let background = |open| Input::Agent(AgentEvent::Background { open });
    let inputs = [ready(), background(1), turn(TurnEnding::Completed, vec![PROMPT]), background(0)];
    play(&mut follow_up, inputs);
    let inputs = [Input::Agent(AgentEvent::Busy), asked(), turn(TurnEnding::Aborted, vec![])];
    assert_eq!(last(&mut follow_up, inputs), "PutBack Answer None failed false");
    let mut hangs = machine();
    play(&mut hangs, [ready(), asked()]);
    assert_eq!(play(&mut hangs, [Input::Elapsed(Timer::Interrupt)]), ["Stop(Now)"]);
    assert_eq!(last(&mut hangs, [exited()]), "PutBack Answer None failed false");
}

#[test]
fn an_attempt_goes_on_from_the_counters_of_those_before_it() {
    let progress = Progress { turns: 3, elapsed_ms: 10, ..Progress::default() };
    let mut machine = Machine::new(Plan { start: Start::GoOn, progress, cost_usd: 1.0, ..plan() });
    assert_eq!(play(&mut machine, [ready()]), ["Continue"]);
    let shown = play(&mut machine, [turn(TurnEnding::Completed, vec![CONTINUATION])]);
    assert_eq!(shown, ["Result done", "progress 15", "Completed \"done\" [] $1.25"]);
    assert_eq!(machine.progress(20).turns, 5);
}

#[test]
fn a_turn_that_is_run_again_needs_no_prompt_and_one_that_is_not_is_asked_for() {
    let rerun = || Machine::new(Plan { start: Start::GoOn, ..plan() });
    let mut resumed = rerun();
    assert_eq!(play(&mut resumed, [Input::Agent(AgentEvent::TurnResumed), ready()]), Vec::<String>::new());
    let ended = [turn(TurnEnding::Completed, vec![PROMPT])];
    assert_eq!(last(&mut resumed, ended), "Completed \"done\" [] $0.25");
    assert_eq!(play(&mut rerun(), [ready()]), ["Continue"]);
}

#[test]
fn a_stop_of_the_server_suspends_a_task_that_wants_to_go_on() {
    let mut machine = with_policy(Policy { on_restart: OnRestart::Resume, ..Policy::default() });
    assert_eq!(play(&mut machine, [ready(), Input::ShutdownRequested]), ["Prompt", "Stop(Now)"]);
    assert_eq!(last(&mut machine, [exited()]), "PutBack CutOff None failed false");
    let forgetful = Plan { is_durable: false, ..plan() };
    let mut machine = Machine::new(forgetful);
    assert_eq!(last(&mut machine, [ready(), Input::ShutdownRequested]), "Arm(Interrupt)");
}

fn looked(silent_ms: u64, children: usize, children_cpu: u64) -> Input {
    let vitals = Vitals {
        cpu: Duration::ZERO,
        children_cpu: Duration::from_millis(children_cpu),
        children,
        memory_bytes: 0,
    };
    Input::Looked { silent_ms, vitals: Some(vitals) }
}

#[test]
fn a_silent_build_is_left_alone_and_a_silent_model_is_not() {
    let hour = 3_600_000;
    let stalled = "System the agent has made no progress for 3600 seconds";
    let mut build = machine();
    play(&mut build, [ready(), tool_use()]);
    assert_eq!(play(&mut build, [looked(hour, 1, 0), looked(hour, 0, 5)]), Vec::<String>::new());
    assert_eq!(play(&mut build, [looked(hour, 0, 5)]), [stalled], "its process is gone and does nothing");

    let mut model = machine();
    play(&mut model, [ready()]);
    assert_eq!(play(&mut model, [looked(299_999, 0, 0)]), Vec::<String>::new());
    assert_eq!(play(&mut model, [looked(hour, 3, 0)]), [stalled], "whatever servers it has");
    assert_eq!(play(&mut model, [looked(hour, 0, 0)]), Vec::<String>::new(), "said once");
    assert_eq!(
        play(&mut model, [looked(10, 0, 0), looked(hour, 0, 0)]),
        [stalled],
        "and again after a sound"
    );
}

#[test]
fn a_stall_is_acted_on_by_policy() {
    let policy = |on_stall| Policy { on_stall, ..Policy::default() };
    let silent = || [ready(), looked(400_000, 0, 0)];
    let mut fails = with_policy(policy(OnStall::Fail));
    assert_eq!(last(&mut fails, silent()), "Arm(Interrupt)");
    let shown = last(&mut fails, [turn(TurnEnding::Aborted, vec![PROMPT])]);
    assert_eq!(shown, "Failed \"done\" [\"the agent made no progress for 400 seconds\"] $0.25");
    let mut resumes = with_policy(policy(OnStall::Resume));
    assert_eq!(last(&mut resumes, silent()), "Stop(Now)");
    assert_eq!(last(&mut resumes, [exited()]), "PutBack CutOff None failed true");
    let given_up = Plan { failures: 3, policy: policy(OnStall::Resume), ..plan() };
    assert_eq!(last(&mut Machine::new(given_up), silent()), "Arm(Interrupt)");
}

//! Who may run and write a task.

use domain::{Answer, Answered, InputDigest, Question, QuestionId, Questions, TaskStatus};

use super::*;
use crate::{AnswerError, CommitError, Counts, InterruptError, Interrupted, Signal, SubmitError};

pub(super) async fn run<B: Backend>(new: &impl AsyncFn() -> B) {
    a_task_is_claimed_once(new().await.store()).await;
    of_two_who_end_a_task_one_does(new().await.store()).await;
    a_task_ends_once(&*new().await.store()).await;
    an_interrupt_is_recorded_and_wakes_the_worker(&*new().await.store()).await;
    a_task_that_was_put_back_goes_on_before_others_of_its_session(&*new().await.store()).await;
    a_parked_task_can_be_stopped(&*new().await.store()).await;
    a_question_waits_for_its_answer_over_a_crash(new().await).await;
    what_is_parked_stands_in_nobodys_way_and_has_an_end(&*new().await.store()).await;
}

async fn a_task_is_claimed_once<S: Store>(store: Arc<S>) {
    store.submit(submit(spec("t"))).await.expect("admitted");
    let workers = (0..8).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { !nothing(&*store, NOW).await })
    });
    let mut winners = 0;
    for worker in workers.collect::<Vec<_>>() {
        winners += usize::from(worker.await.expect("no panic"));
    }
    assert_eq!(winners, 1);
}

async fn of_two_who_end_a_task_one_does<S: Store>(store: Arc<S>) {
    store.submit(submit(spec("t"))).await.expect("admitted");
    let workers = (0..8).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.finish(finish_with(id("t"), None, 1, Ending::Interrupted)).await })
    });
    let mut results = Vec::new();
    for worker in workers.collect::<Vec<_>>() {
        results.push(worker.await.expect("no panic"));
    }
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert_eq!(results.iter().filter(|result| **result == Err(CommitError::Fenced)).count(), 7);
    assert_eq!(read_all(&*store, "t").await, (encoded(1..=1), true));
}

async fn a_task_ends_once(store: &dyn Store) {
    let claimed = submit_and_claim(store, "t").await;
    let with = |token, seq| finish_with(id("t"), token, seq, Ending::Completed);
    assert_eq!(store.finish(with(None, 1)).await, Err(CommitError::Fenced), "it does not wait");
    let mut signal = store.watch(&id("t")).await.expect("available").expect("there");
    store.finish(with(Some(claimed.token), 1)).await.expect("finished");
    assert_eq!(*signal.borrow_and_update(), Signal { tail: 1, ended: true, interrupt_requested: false });
    assert_eq!(store.finish(with(Some(claimed.token), 2)).await, Err(CommitError::Fenced));
    assert_eq!(store.append(append(&claimed, 2..=2)).await, Err(CommitError::Fenced));
    assert_eq!(store.put_back(put_back(&claimed, 2, WaitReason::Retry, NOW)).await, Err(CommitError::Fenced));
    let unknown = Append { task_id: id("u"), ..append(&claimed, 1..=1) };
    assert_eq!(store.append(unknown).await, Err(CommitError::Unknown));
    let task = store.task(&id("t")).await.expect("available").expect("there");
    assert_eq!((task.status, task.tail, task.progress.turns), (TaskStatus::Completed, 1, 1));
    assert_eq!(read_all(store, "t").await, (encoded(1..=1), true));
    let settled = store.watch(&id("t")).await.expect("available").expect("there");
    assert_eq!(*settled.borrow(), Signal { tail: 1, ended: true, interrupt_requested: false });
}

async fn an_interrupt_is_recorded_and_wakes_the_worker(store: &dyn Store) {
    assert_eq!(store.request_interrupt(&id("t"), NOW).await, Err(InterruptError::Unknown));
    let claimed = submit_and_claim(store, "t").await;
    let mut signal = store.watch(&id("t")).await.expect("available").expect("there");
    signal.borrow_and_update();
    let running = store.request_interrupt(&id("t"), NOW).await;
    assert!(matches!(running, Ok(Interrupted::Running(_))), "{running:?}");
    assert_eq!(*signal.borrow_and_update(), Signal { tail: 0, ended: false, interrupt_requested: true });
    store.request_interrupt(&id("t"), after(9)).await.expect("recorded already");
    let task = store.task(&id("t")).await.expect("available").expect("there");
    assert_eq!(task.interrupt_requested_at, Some(NOW));
    finish(store, &claimed, 1).await;
    let ended = store.request_interrupt(&id("t"), NOW).await;
    assert_eq!(ended, Err(InterruptError::Ended(TaskStatus::Completed)));

    store.submit(submit(spec("waits"))).await.expect("admitted");
    let waiting = store.request_interrupt(&id("waits"), NOW).await;
    assert!(matches!(waiting, Ok(Interrupted::Waiting(_))), "{waiting:?}");
    assert!(nothing(store, NOW).await, "what is to be stopped is not begun");
    store
        .finish(finish_with(id("waits"), None, 1, Ending::Interrupted))
        .await
        .expect("ended without a lease");
    assert_eq!(store.doomed().await, Ok(vec![]));
}

async fn a_task_that_was_put_back_goes_on_before_others_of_its_session(store: &dyn Store) {
    let claimed = submit_and_claim(store, "a").await;
    store.submit(submit(in_session("b", "session-a", WhenBusy::Enqueue))).await.expect("admitted");
    let command = put_back(&claimed, 1, WaitReason::RateLimit, after(100));
    store.put_back(PutBack { failed: true, ..command.clone() }).await.expect("put back");
    assert_eq!(store.append(append(&claimed, 2..=2)).await, Err(CommitError::Fenced));
    let counts = Counts { waiting: 1, parked: 1, active_sessions: 1, ..Counts::default() };
    assert_eq!(store.counts(NOW).await, Ok(counts));
    assert_eq!(
        store.claim(ticket(), after(200)).await,
        Ok(Claim::Nothing { until: None }),
        "its agent is not gone yet"
    );
    store.release(release(&claimed, None)).await.expect("released");
    let task = store.task(&id("a")).await.expect("available").expect("there");
    assert_eq!((task.status, task.waiting, task.failures), (TaskStatus::Running, Some(command.waiting), 1));
    let again = claim(store, after(200)).await;
    assert_eq!((again.task.spec.task_id.clone(), again.task.attempt), (id("a"), 2));
    assert_eq!((again.after, again.task.waiting), (Some(WaitReason::RateLimit), None));
    assert!(nothing(store, after(200)).await);
    store.append(append(&again, 2..=2)).await.expect("its log goes on");
    finish(store, &again, 3).await;
    assert_eq!(read_all(store, "a").await, (encoded(1..=3), true));
    assert_eq!(claim(store, NOW).await.task.spec.task_id, id("b"));
}

async fn a_parked_task_can_be_stopped(store: &dyn Store) {
    let claimed = submit_and_claim(store, "a").await;
    store.put_back(put_back(&claimed, 1, WaitReason::RateLimit, after(100))).await.expect("put back");
    store.release(release(&claimed, None)).await.expect("released");
    let stopped = store.request_interrupt(&id("a"), NOW).await;
    assert!(matches!(stopped, Ok(Interrupted::Waiting(_))), "{stopped:?}");
    assert!(nothing(store, after(500)).await);
    store.finish(finish_with(id("a"), None, 2, Ending::Interrupted)).await.expect("ended");
    assert_eq!(read_all(store, "a").await, (encoded(1..=2), true));
}

fn question() -> Question {
    Question {
        id: QuestionId::generate(),
        tool_use_id: "call".into(),
        tool: "Bash".into(),
        digest: InputDigest([7; 32]),
        input: Some("{\"command\":\"ls\"}".into()),
        description: None,
        reason: Some("it is not allowed".into()),
        asked_at: NOW,
        turns: 1,
        background: 0,
    }
}

fn allowed() -> Answer {
    Answer { allow: true, message: Some("go".into()), updated_input: None, remember: true, expired: false }
}

async fn ask(store: &dyn Store, claimed: &Claimed) -> Question {
    let question = question();
    let command = put_back(claimed, claimed.task.tail + 1, WaitReason::Answer, after(1_000));
    store.put_back(PutBack { question: Some(question.clone()), ..command }).await.expect("put back");
    store.release(release(claimed, None)).await.expect("released");
    question
}

async fn a_question_waits_for_its_answer_over_a_crash<B: Backend>(mut backend: B) {
    let store = backend.store();
    let claimed = submit_and_claim(&*store, "t").await;
    let first = ask(&*store, &claimed).await;
    assert!(super::nothing(&*store, after(999)).await);
    drop(store);
    backend.reopen().await;
    let store = backend.store();
    let answer =
        async |question, answer| store.answer(&id("t"), question, answer, after(5)).await.map(|_| ());
    let other = QuestionId::generate();
    assert_eq!(answer(other, allowed()).await, Err(AnswerError::UnknownQuestion));
    assert_eq!(answer(first.id, allowed()).await, Ok(()));
    assert_eq!(answer(first.id, allowed()).await, Ok(()), "whoever got no answer asks again");
    assert_eq!(answer(first.id, Answer::expired()).await, Err(AnswerError::AlreadyAnswered));
    let again = claim(&*store, after(5)).await;
    assert_eq!(again.after, Some(WaitReason::Answer));
    let answered = vec![Answered { question: first.clone(), answer: allowed(), at: after(5) }];
    assert_eq!(again.task.questions, Questions { open: None, answered: answered.clone() });
    let second = ask(&*store, &again).await;
    let late = claim(&*store, after(1_000)).await;
    let expired = Answered { question: second.clone(), answer: Answer::expired(), at: after(1_000) };
    // Nobody needs the input of an earlier one.
    let first = Question { input: None, ..first };
    let answered = vec![Answered { question: first, answer: allowed(), at: after(5) }, expired];
    assert_eq!(late.task.questions, Questions { open: None, answered });
    assert_eq!(answer(second.id, allowed()).await, Err(AnswerError::AlreadyAnswered), "its time was up");
    finish(&*store, &late, 3).await;
    assert_eq!(answer(other, allowed()).await, Err(AnswerError::Ended(TaskStatus::Completed)));
    let nobody = store.answer(&id("nobody"), other, allowed(), NOW).await;
    assert_eq!(nobody.map(|_| ()), Err(AnswerError::UnknownTask));
}

async fn what_is_parked_stands_in_nobodys_way_and_has_an_end(store: &dyn Store) {
    let submit = |task: &str| Submit { max_pending: 1, ..submit(spec(task)) };
    for task in ["a", "b"] {
        store.submit(submit(task)).await.expect("admitted");
        assert_eq!(store.tasks_ahead(&id(task)).await, Ok(Some(0)), "who is parked is not ahead");
        ask(store, &claim(store, NOW).await).await;
    }
    assert_eq!(store.submit(submit("c")).await, Err(SubmitError::QueueFull { waiting: 2 }));
    assert_eq!(store.counts(NOW).await, Ok(Counts { parked: 2, ..Counts::default() }));
    finish(store, &claim(store, after(1_000)).await, 2).await;
    assert!(store.submit(submit("c")).await.is_ok(), "there is a place again");
}

//! `POST /api/v1/tasks/{task_id}/answers`: answers a question that a task waits for. The same answer may be given again.

use std::collections::BTreeSet;
use std::sync::Arc;

use api::{Code, Problem, TaskStatusResponse};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use domain::{Answer, Question, QuestionId, TaskStatus};
use serde_json::{Map, Value};
use store::{AnswerError, TaskRecord};

use crate::access::{May, TasksWrite};
use crate::answer;
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::submission::{self, AnswerRequest, Received};

/// Answers a question that a task waits with. The same answer may be given again.
#[utoipa::path(
    post,
    path = "/api/v1/tasks/{task_id}/answers",
    tag = "tasks",
    operation_id = "answer_question",
    security(("bearer" = ["tasks:write"])),
    params(("task_id" = String, Path, description = "The task.")),
    request_body = api::AnswerRequest,
    responses(
        (status = 200, description = "It is written down, and the task goes on.", body = TaskStatusResponse),
        (status = 400, description = "The body could not be read.", content_type = "application/problem+json", body = Problem),
        (status = 404, description = "There is no such task, or it does not wait for the answer to that question.", content_type = "application/problem+json", body = Problem),
        (status = 408, description = "The body did not arrive in time.", content_type = "application/problem+json", body = Problem),
        (status = 409, description = "The question has another answer already, or the task has ended.", content_type = "application/problem+json", body = Problem),
        (status = 413, description = "The body is too large.", content_type = "application/problem+json", body = Problem),
        (status = 422, description = "The body does not match the schema.", content_type = "application/problem+json", body = Problem),
    )
)]
pub(crate) async fn handle(
    State(state): State<Arc<AppState>>,
    may: May<TasksWrite>,
    Path(id): Path<String>,
    body: Received,
) -> Result<Json<TaskStatusResponse>, Refusal> {
    let AnswerRequest { question, answer, answers } = submission::answer_request(&body)?;
    let view = may.task(&state, &id).await?;
    let task_id = view.record.spec.task_id.clone();
    if view.record.status.is_terminal() {
        return Err(ended(&id, view.record.status));
    }
    let asked = find(&view.record, question).ok_or_else(|| question_not_found(question))?;
    let answer = fitting(asked, answer, answers)?;
    let conflict = |code, detail: String| Refusal::new(StatusCode::CONFLICT, code, detail);
    match state.engine.answer(&task_id, question, answer).await {
        Ok(view) => Ok(Json(answer::status(view))),
        Err(AnswerError::UnknownTask) => Err(Refusal::task_not_found(&id)),
        Err(AnswerError::UnknownQuestion) => Err(question_not_found(question)),
        Err(AnswerError::AlreadyAnswered) => {
            let detail = format!("the question {question} has another answer already, or its time was up");
            Err(conflict(Code::AlreadyAnswered, detail))
        }
        Err(AnswerError::Ended(status)) => Err(ended(&id, status)),
        Err(AnswerError::Store(error)) => Err(error.into()),
    }
}

fn question_not_found(question: QuestionId) -> Refusal {
    let detail = format!("the task does not wait for the answer to a question {question}");
    Refusal::new(StatusCode::NOT_FOUND, Code::QuestionNotFound, detail)
}

fn ended(id: &str, status: TaskStatus) -> Refusal {
    let detail = format!("the task {id} has already ended: it is {}", status.as_str());
    Refusal::new(StatusCode::CONFLICT, Code::TaskFinished, detail)
}

fn find(task: &TaskRecord, id: QuestionId) -> Option<&Question> {
    let answered = task.questions.answered.iter().map(|known| &known.question);
    answered.chain(task.questions.open.as_deref()).find(|known| known.id == id)
}

/// The answer as the agent needs it, if it is one to that question.
fn fitting(
    question: &Question,
    answer: Answer,
    answers: Option<Map<String, Value>>,
) -> Result<Answer, Refusal> {
    let tool = &question.tool;
    if answer.remember && (question.is_choice() || question.is_plan()) {
        let detail = format!("cannot be given for {tool}: each of its calls asks something else");
        return Err(submission::invalid("/remember", detail));
    }
    match answers {
        Some(_) if !question.is_choice() => {
            Err(submission::invalid("/answers", "is of use only with the tool AskUserQuestion: leave it out"))
        }
        Some(answers) => Ok(Answer { updated_input: Some(with_answers(question, answers)?), ..answer }),
        None if question.is_choice() && answer.allow && answer.updated_input.is_none() => {
            Err(submission::invalid("/answers", "is required: the choice for each question, or deny"))
        }
        None => Ok(answer),
    }
}

/// The input of an `AskUserQuestion` call, with the answers as the CLI wants them: one to each of its questions.
fn with_answers(question: &Question, answers: Map<String, Value>) -> Result<String, Refusal> {
    let input = question.input.as_deref().map(serde_json::from_str);
    let Some(Ok(Value::Object(mut input))) = input else {
        let detail = "cannot be put into an input that is so large: give it as updated_input";
        return Err(submission::invalid("/answers", detail));
    };
    let asked = input.get("questions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let asked: BTreeSet<_> = asked.iter().filter_map(|one| one["question"].as_str()).collect();
    let given: BTreeSet<_> = answers.keys().map(String::as_str).collect();
    if let Some(unknown) = given.difference(&asked).next() {
        return Err(submission::invalid("/answers", format!("answers {unknown:?}, which was not asked")));
    }
    if let Some(missing) = asked.difference(&given).next() {
        return Err(submission::invalid("/answers", format!("does not answer {missing:?}")));
    }
    input.insert("answers".to_owned(), Value::Object(answers));
    Ok(Value::Object(input).to_string())
}

//! Body of `POST /api/v1/tasks/{task_id}/answers`.

use domain::{Answer, QuestionId};
use serde_json::{Map, Value};

use super::fields::Fields;
use super::invalid_all;
use super::read::object;
use crate::refusal::Refusal;

/// Longest message, in bytes. All answers of a task are kept.
const MAX_MESSAGE_BYTES: usize = 16 * 1024;
/// Largest input, in bytes.
const MAX_INPUT_BYTES: usize = 64 * 1024;

/// What was decided, and how the input of the call changes by it.
#[derive(Debug, PartialEq)]
pub(crate) struct AnswerRequest {
    pub(crate) question: QuestionId,
    pub(crate) answer: Answer,
    /// Answers to the questions that `AskUserQuestion` asks: they become part of its input.
    pub(crate) answers: Option<Map<String, Value>>,
}

/// The answer, or every fault that it has.
pub(crate) fn answer_request(body: &[u8]) -> Result<AnswerRequest, Refusal> {
    let (body, mut faults) = (object(body)?, Vec::new());
    let mut fields = Fields::new("", &body, &mut faults);
    let question = fields.required_text("question_id");
    let question = question.and_then(|text| {
        let id = QuestionId::parse(&text);
        if id.is_none() {
            fields.fault("question_id", "must be the id that the question was told with");
        }
        id
    });
    if !fields.has("decision") {
        fields.fault("decision", "is required: allow or deny");
    }
    let allow = fields.word("decision", &[("allow", true), ("deny", false)]);
    let message = bounded_text(&mut fields, "message");
    let remember = fields.flag("remember").unwrap_or(false);
    let updated_input = fields.object("updated_input").map(|input| Value::Object(input.clone()).to_string());
    let answers = fields.object("answers").cloned();
    check_inputs(&mut fields, allow, updated_input.as_deref(), answers.as_ref());
    match (question, allow) {
        (Some(question), Some(allow)) if faults.is_empty() => {
            let answer = Answer { allow, message, updated_input, remember, expired: false };
            Ok(AnswerRequest { question, answer, answers })
        }
        _ => Err(invalid_all(faults)),
    }
}

fn bounded_text(fields: &mut Fields<'_, '_>, name: &str) -> Option<String> {
    let text = fields.text(name)?;
    if text.len() > MAX_MESSAGE_BYTES {
        fields.fault(name, format!("must have at most {MAX_MESSAGE_BYTES} bytes"));
    }
    Some(text)
}

fn check_inputs(
    fields: &mut Fields<'_, '_>,
    allow: Option<bool>,
    updated_input: Option<&str>,
    answers: Option<&Map<String, Value>>,
) {
    let sizes = [
        ("updated_input", updated_input.map(str::len)),
        (
            "answers",
            answers
                .map(|answers| answers.iter().map(|(name, text)| name.len() + text.to_string().len()).sum()),
        ),
    ];
    for (name, size) in sizes {
        let Some(size) = size else { continue };
        if size > MAX_INPUT_BYTES {
            fields.fault(name, format!("must have at most {MAX_INPUT_BYTES} bytes"));
        }
        if allow == Some(false) {
            fields.fault(name, "is of use only with the decision allow: leave it out");
        }
    }
    if updated_input.is_some() && answers.is_some() {
        fields.fault("answers", "cannot be given together with updated_input");
    }
    for (name, answer) in answers.into_iter().flatten() {
        if !answer.is_string() {
            fields
                .fault(&format!("answers/{}", name.replace('~', "~0").replace('/', "~1")), "must be a text");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "00000000-0000-0000-0000-000000000007";

    fn read(fields: &str) -> Result<AnswerRequest, Vec<(String, String)>> {
        answer_request(fields.as_bytes()).map_err(|refusal| {
            refusal.faults.into_iter().map(|fault| (fault.pointer, fault.detail)).collect()
        })
    }

    #[test]
    fn an_answer_is_read_in_full() {
        let body = format!(
            r#"{{"question_id":"{ID}","decision":"allow","message":"go","remember":true,"updated_input":{{"a":1}}}}"#
        );
        let question = QuestionId::parse(ID).expect("an id");
        let answer = Answer {
            allow: true,
            message: Some("go".into()),
            updated_input: Some(r#"{"a":1}"#.into()),
            remember: true,
            expired: false,
        };
        assert_eq!(read(&body), Ok(AnswerRequest { question, answer, answers: None }));
        let body = format!(r#"{{"question_id":"{ID}","decision":"deny","message":null}}"#);
        let answer =
            Answer { allow: false, message: None, updated_input: None, remember: false, expired: false };
        assert_eq!(read(&body), Ok(AnswerRequest { question, answer, answers: None }));
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let body = r#"{"question_id":"x","decision":"maybe","message":1,"remember":"no","answers":{"a/b":1},
            "updated_input":{}}"#;
        let faults = [
            ("/question_id", "must be the id that the question was told with"),
            ("/decision", "must be one of allow, deny"),
            ("/message", "must be a text"),
            ("/remember", "must be true or false"),
            ("/answers", "cannot be given together with updated_input"),
            ("/answers/a~1b", "must be a text"),
        ];
        let faults = faults.map(|(pointer, detail)| (pointer.to_owned(), detail.to_owned()));
        assert_eq!(read(body), Err(faults.to_vec()));
        let missing = [("/question_id", "is required"), ("/decision", "is required: allow or deny")];
        let missing = missing.map(|(pointer, detail)| (pointer.to_owned(), detail.to_owned()));
        assert_eq!(read("{}"), Err(missing.to_vec()));
    }
}

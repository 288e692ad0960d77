//! Body of `POST /api/v1/tickets`; an empty one, or null, counts as `{}`.

use api::TicketRequest;
use domain::TaskId;
use serde_json::{Map, Value};

use super::fields::Fields;
use super::read::value;
use super::{invalid, invalid_all};
use crate::refusal::Refusal;

/// The request, or every fault that it has.
pub(crate) fn ticket_request(body: &[u8]) -> Result<TicketRequest, Refusal> {
    let value = if body.is_empty() { Value::Null } else { value(body)? };
    let body = match value {
        Value::Null => Map::new(),
        Value::Object(body) => body,
        _ => return Err(invalid("", "the body is not a JSON object")),
    };
    let mut faults = Vec::new();
    let mut fields = Fields::new("", &body, &mut faults);
    let task_id = fields.text("task_id").and_then(|id| match TaskId::parse(&id) {
        Ok(id) => Some(id),
        Err(error) => {
            fields.fault("task_id", error.to_string());
            None
        }
    });
    if faults.is_empty() { Ok(TicketRequest { task_id }) } else { Err(invalid_all(faults)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_may_be_named_or_not() {
        let task = |body: &str| {
            ticket_request(body.as_bytes()).map(|request| request.task_id.map(|id| id.to_string()))
        };
        assert_eq!(task("").ok(), Some(None));
        assert_eq!(task("null").ok(), Some(None));
        assert_eq!(task(r#"{"task_id":null}"#).ok(), Some(None));
        assert_eq!(task(r#"{"task_id":"a"}"#).ok(), Some(Some("a".into())));
        for wrong in [r#"{"task_id":"a b"}"#, r#"{"task_id":7}"#, "[]", "{"] {
            assert_eq!(task(wrong).map_err(|refusal| refusal.faults.len()), Err(1), "{wrong}");
        }
    }
}

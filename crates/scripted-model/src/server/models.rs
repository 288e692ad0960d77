//! The list of models.

use serde_json::{Value, json};

/// The current models: id, name, release date.
const MODELS: [(&str, &str, &str); 4] = [
    ("claude-fable-5-2", "Claude Fable 5.2", "2026-09-15T00:00:00Z"),
    ("claude-opus-5-5", "Claude Opus 5.5", "2026-09-15T00:00:00Z"),
    ("claude-sonnet-5-5", "Claude Sonnet 5.5", "2026-09-15T00:00:00Z"),
    ("claude-haiku-5-5", "Claude Haiku 5.5", "2026-09-15T00:00:00Z"),
];

/// All models, as `GET /v1/models` lists them.
pub(super) fn list() -> Value {
    let data: Vec<Value> = MODELS.iter().map(model).collect();
    json!({
        "data": data,
        "has_more": false,
        "first_id": MODELS.first().map(|(id, ..)| id),
        "last_id": MODELS.last().map(|(id, ..)| id),
    })
}

/// One model.
pub(super) fn find(id: &str) -> Option<Value> {
    MODELS.iter().find(|(known, ..)| *known == id).map(model)
}

fn model((id, name, created_at): &(&str, &str, &str)) -> Value {
    json!({ "type": "model", "id": id, "display_name": name, "created_at": created_at })
}

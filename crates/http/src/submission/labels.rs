//! What a task is filed under, and what its caller writes down beside it.

use domain::Labels;
use serde_json::{Map, Value};

use super::fields::Fields;

/// Largest metadata, in bytes of JSON.
const MAX_METADATA_BYTES: usize = 16 * 1024;

pub(super) fn labels(fields: &mut Fields<'_, '_>) -> Labels {
    let mut labels = Labels::default();
    for (key, value) in fields.object("labels").into_iter().flatten() {
        let set = match value {
            Value::String(value) => labels.set(key, value).map_err(|error| error.to_string()),
            _ => Err("must be a text".to_owned()),
        };
        if let Err(detail) = set {
            // RFC 6901, section 3.
            let key: String = key.chars().take(domain::MAX_LABEL_KEY).collect();
            fields.fault(&format!("labels/{}", key.replace('~', "~0").replace('/', "~1")), detail);
        }
    }
    labels
}

pub(super) fn metadata(fields: &mut Fields<'_, '_>) -> Option<Map<String, Value>> {
    let metadata = fields.object("metadata")?;
    if Value::Object(metadata.clone()).to_string().len() > MAX_METADATA_BYTES {
        fields.fault("metadata", format!("must have at most {MAX_METADATA_BYTES} bytes as JSON"));
    }
    Some(metadata.clone())
}

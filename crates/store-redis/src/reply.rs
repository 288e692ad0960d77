//! What a script answers, piece by piece.

use std::collections::HashMap;

use bytes::Bytes;
use redis::Value;
use store::StoreError;

/// The fields of a hash.
pub(crate) type Fields = HashMap<String, Bytes>;

fn odd(what: &str, value: &Value) -> StoreError {
    // The value may hold a prompt: only its kind is told.
    let kind = match value {
        Value::Nil => "nothing",
        Value::Int(_) => "a number",
        Value::BulkString(_) | Value::SimpleString(_) => "a text",
        Value::Array(_) => "a list",
        _ => "something else",
    };
    StoreError(format!("redis answered {kind} in place of {what}: its keys were changed by another program"))
}

/// The items of a list.
#[derive(Debug)]
pub(crate) struct Items(std::vec::IntoIter<Value>);

impl Items {
    pub(crate) fn of(value: Value) -> Result<Self, StoreError> {
        match value {
            Value::Array(items) => Ok(Self(items.into_iter())),
            other => Err(odd("a list", &other)),
        }
    }

    pub(crate) fn next_value(&mut self) -> Value {
        self.0.next().unwrap_or(Value::Nil)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.len() == 0
    }

    pub(crate) fn bytes(&mut self) -> Result<Bytes, StoreError> {
        match self.next_value() {
            Value::BulkString(bytes) => Ok(bytes.into()),
            Value::SimpleString(text) => Ok(text.into()),
            Value::Int(number) => Ok(number.to_string().into()),
            other => Err(odd("a text", &other)),
        }
    }

    pub(crate) fn text(&mut self) -> Result<String, StoreError> {
        let bytes = self.bytes()?;
        String::from_utf8(bytes.into())
            .map_err(|_| StoreError("redis answered a text that is not UTF-8".into()))
    }

    pub(crate) fn number<T: std::str::FromStr>(&mut self) -> Result<T, StoreError> {
        let text = self.text()?;
        text.parse().map_err(|_| StoreError(format!("redis answered {text:?} in place of a number")))
    }

    /// Whether it is `1`.
    pub(crate) fn flag(&mut self) -> Result<bool, StoreError> {
        Ok(self.text()? == "1")
    }

    pub(crate) fn items(&mut self) -> Result<Self, StoreError> {
        Self::of(self.next_value())
    }

    /// What is left, each read alike.
    pub(crate) fn each<T>(
        mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut found = Vec::new();
        while !self.is_empty() {
            found.push(read(&mut self)?);
        }
        Ok(found)
    }

    /// A hash, which comes as a list of its fields and their values.
    pub(crate) fn fields(&mut self) -> Result<Fields, StoreError> {
        let pairs = self.items()?.each(|pairs| Ok((pairs.text()?, pairs.bytes()?)))?;
        Ok(pairs.into_iter().collect())
    }
}

/// What a command answers: a word that says what became of it, and what belongs to that.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) code: String,
    pub(crate) rest: Items,
}

impl Reply {
    pub(crate) fn of(value: Value) -> Result<Self, StoreError> {
        let mut rest = Items::of(value)?;
        Ok(Self { code: rest.text()?, rest })
    }

    /// An answer that this program knows nothing of.
    pub(crate) fn unknown(&self) -> StoreError {
        StoreError(format!("redis answered {:?}, which this version does not know", self.code))
    }
}

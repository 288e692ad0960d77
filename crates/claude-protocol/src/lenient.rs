//! Fields that cannot spoil their message: what is null or of another type counts as left out. No field of the CLI's
//! output is worth losing the frame that it stands in.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A value that reads from any JSON.
pub(crate) trait Lenient: Default {
    /// The value; the default when the JSON says something else.
    fn read(raw: &RawValue) -> Self;
}

/// The value of such a field. It is read from its own bytes, so no tree of values is built in between.
pub(crate) fn lenient<'de, D: Deserializer<'de>, T: Lenient>(deserializer: D) -> Result<T, D::Error> {
    <&'de RawValue>::deserialize(deserializer).map(T::read)
}

macro_rules! plain {
    ($($type:ty),*) => {
        $(impl Lenient for $type {
            fn read(raw: &RawValue) -> Self {
                serde_json::from_str(raw.get()).unwrap_or_default()
            }
        })*
    };
}

/// Reads a line or none of it.
pub(crate) fn parse<T: DeserializeOwned>(line: &[u8]) -> Option<T> {
    serde_json::from_slice(line).ok()
}

plain!(bool, u32, u64, f64, String, PathBuf);

impl<T: DeserializeOwned> Lenient for Option<T> {
    fn read(raw: &RawValue) -> Self {
        serde_json::from_str::<Self>(raw.get()).ok().flatten()
    }
}

/// Items that read; the others are left out.
impl<T: DeserializeOwned> Lenient for Vec<T> {
    fn read(raw: &RawValue) -> Self {
        let items: Vec<&RawValue> = serde_json::from_str(raw.get()).unwrap_or_default();
        items.into_iter().filter_map(|item| serde_json::from_str(item.get()).ok()).collect()
    }
}

/// Entries that read; the others are left out.
impl<T: DeserializeOwned> Lenient for BTreeMap<String, T> {
    fn read(raw: &RawValue) -> Self {
        let entries: BTreeMap<String, &RawValue> = serde_json::from_str(raw.get()).unwrap_or_default();
        let read = |(key, entry): (String, &RawValue)| Some((key, serde_json::from_str(entry.get()).ok()?));
        entries.into_iter().filter_map(read).collect()
    }
}

/// Declares structs that are read from JSON with every field [`lenient`].
macro_rules! message {
    ($($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)* })*) => {
        $(
            #[derive(Debug, Clone, Default, serde::Deserialize)]
            #[serde(default)]
            $(#[$meta])*
            pub struct $name {
                $(
                    $(#[$field_meta])*
                    #[serde(deserialize_with = "crate::lenient::lenient")]
                    pub $field: $type,
                )*
            }

            impl crate::lenient::Lenient for $name {
                fn read(raw: &serde_json::value::RawValue) -> Self {
                    serde_json::from_str(raw.get()).unwrap_or_default()
                }
            }
        )*
    };
}

pub(crate) use message;

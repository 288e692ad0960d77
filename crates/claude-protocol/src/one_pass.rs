//! Lenient fields that are read in the same pass as their line: what the lines that come most often are made of. What is null
//! or of another type counts as left out, as with [`crate::lenient`], but nothing is looked at twice. What no JavaScript
//! writes, a number beyond its own or a name that comes twice within an object, makes the whole line unknown: it is reported with its
//! bytes.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use uuid::Uuid;

/// What such a field holds: the value that is made of each kind of JSON, `None` where that is not the field's own.
pub(crate) trait OnePass: Sized {
    fn of_text(_text: &str) -> Option<Self> {
        None
    }

    fn of_owned(text: String) -> Option<Self> {
        Self::of_text(&text)
    }

    fn of_flag(_flag: bool) -> Option<Self> {
        None
    }

    fn of_number(_number: u64) -> Option<Self> {
        None
    }

    fn of_object<'de, A: MapAccess<'de>>(mut object: A) -> Result<Option<Self>, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

impl OnePass for String {
    fn of_text(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }

    fn of_owned(text: String) -> Option<Self> {
        Some(text)
    }
}

impl OnePass for Uuid {
    fn of_text(text: &str) -> Option<Self> {
        Self::parse_str(text).ok()
    }
}

impl OnePass for bool {
    fn of_flag(flag: bool) -> Option<Self> {
        Some(flag)
    }
}

macro_rules! numbers {
    ($($type:ty),*) => {
        $(impl OnePass for $type {
            fn of_number(number: u64) -> Option<Self> {
                number.try_into().ok()
            }
        })*
    };
}

numbers!(u16, u32, u64);

/// The field's value; the default when the JSON says something else.
pub(crate) fn value<'de, D: Deserializer<'de>, T: OnePass + Default>(json: D) -> Result<T, D::Error> {
    if_any(json).map(Option::unwrap_or_default)
}

/// The field's value; `None` when the JSON says something else.
pub(crate) fn if_any<'de, D: Deserializer<'de>, T: OnePass>(json: D) -> Result<Option<T>, D::Error> {
    json.deserialize_any(Field(PhantomData))
}

/// The field's JSON as it is; `None` for null.
pub(crate) fn raw<'de, D: Deserializer<'de>>(json: D) -> Result<Option<Box<RawValue>>, D::Error> {
    let raw = <&'de RawValue>::deserialize(json)?;
    Ok((raw.get() != "null").then(|| raw.to_owned()))
}

struct Field<T>(PhantomData<T>);

impl<'de, T: OnePass> Visitor<'de> for Field<T> {
    type Value = Option<T>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("any JSON")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(T::of_text(text))
    }

    fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
        Ok(T::of_owned(text))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(T::of_flag(flag))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(T::of_number(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(u64::try_from(number).ok().and_then(T::of_number))
    }

    fn visit_f64<E>(self, _number: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
        T::of_object(object)
    }
}

//! Parameters in a path's query, read by hand so that every fault is told at once. What is not known is not looked at.

use std::convert::Infallible;
use std::ops::RangeInclusive;

use api::Fault;
use axum::extract::{FromRequestParts, Query};
use axum::http::Uri;
use axum::http::request::Parts;

use crate::refusal::Refusal;
use crate::submission::invalid_all;

/// The largest cursor: what a signed number of 64 bits can hold.
pub(crate) const LARGEST: u64 = i64::MAX.unsigned_abs();

/// The parameters of a request, and the faults found so far.
#[derive(Debug, Default)]
pub(crate) struct Parameters {
    pairs: Vec<(String, String)>,
    faults: Vec<Fault>,
}

impl<S: Sync> FromRequestParts<S> for Parameters {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::read(&parts.uri))
    }
}

impl Parameters {
    pub(crate) fn read(uri: &Uri) -> Self {
        // What is no text is read as far as it is one.
        let pairs = Query::try_from_uri(uri).map(|Query(pairs)| pairs).unwrap_or_default();
        Self { pairs, faults: Vec::new() }
    }

    #[cfg(test)]
    pub(crate) fn of(query: &str) -> Self {
        Self::read(&format!("/path?{query}").parse().expect("a URI"))
    }

    /// Says what is wrong with a parameter or header.
    pub(crate) fn fault(&mut self, pointer: &str, detail: impl Into<String>) {
        self.faults.push(Fault { pointer: pointer.to_owned(), detail: detail.into() });
    }

    /// The last of a parameter's values; empty ones are left out.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.texts(name).next_back()
    }

    fn texts(&self, name: &str) -> impl DoubleEndedIterator<Item = &str> {
        let named = self.pairs.iter().filter(move |(key, value)| key == name && !value.is_empty());
        named.map(|(_, value)| value.as_str())
    }

    /// A value that `parse` understands.
    pub(crate) fn parsed<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        match parse(self.text(name)?) {
            Ok(value) => Some(value),
            Err(detail) => {
                self.fault(&format!("?{name}"), detail);
                None
            }
        }
    }

    /// A whole number in a range.
    pub(crate) fn whole(&mut self, name: &str, range: RangeInclusive<u64>) -> Option<u64> {
        self.parsed(name, |text| whole(text, &range))
    }

    /// Yes or no, in each of the words that FastAPI took: existing clients send them as their languages write them.
    pub(crate) fn flag(&mut self, name: &str) -> Option<bool> {
        self.parsed(name, |text| match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" | "t" | "y" => Ok(true),
            "false" | "0" | "no" | "off" | "f" | "n" => Ok(false),
            _ => Err("must be true or false".to_owned()),
        })
    }

    /// The items of a list with commas between them, each of which `parse` has to understand.
    pub(crate) fn list<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        let items = self.texts(name).flat_map(|text| text.split(',')).map(str::trim);
        let items = items.filter(|item| !item.is_empty()).map(parse).collect();
        self.understood(name, items)
    }

    /// Each of a parameter's values, which `parse` has to understand.
    pub(crate) fn each<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        let items = self.texts(name).map(parse).collect();
        self.understood(name, items)
    }

    fn understood<T>(&mut self, name: &str, items: Vec<Result<T, String>>) -> Vec<T> {
        let mut list = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Ok(item) => list.push(item),
                Err(detail) => self.fault(&format!("?{name}"), detail),
            }
        }
        list
    }

    /// Refuses the request when something was wrong.
    pub(crate) fn check(self) -> Result<(), Refusal> {
        if self.faults.is_empty() { Ok(()) } else { Err(invalid_all(self.faults)) }
    }
}

/// A whole number in a range.
pub(crate) fn whole(text: &str, range: &RangeInclusive<u64>) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| match *range.end() {
        LARGEST => "must be a whole number".to_owned(),
        most => format!("must be a whole number from {} to {most}", range.start()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_counts_and_lists_are_gathered() {
        let mut read = Parameters::of("after=1&after=27&wait=&other=x&type=a,%20b,&type=c&name=a+b");
        assert_eq!((read.whole("after", 0..=LARGEST), read.whole("wait", 0..=60)), (Some(27), None));
        assert_eq!(read.list("type", |item| Ok(item.to_owned())), ["a", "b", "c"]);
        assert_eq!(read.text("name"), Some("a b"));
        assert!(read.check().is_ok());
    }

    #[test]
    fn a_flag_may_be_written_in_many_ways() {
        let flag = |text: &str| Parameters::of(&format!("force={text}")).flag("force");
        for yes in ["true", "True", "TRUE", "1", "yes", "On", "t", "Y"] {
            assert_eq!(flag(yes), Some(true), "{yes}");
        }
        for no in ["false", "False", "0", "NO", "off", "F", "n"] {
            assert_eq!(flag(no), Some(false), "{no}");
        }
        assert_eq!(flag(""), None);
        let mut read = Parameters::of("force=2");
        assert_eq!(read.flag("force"), None);
        assert!(read.check().is_err());
    }

    #[test]
    fn every_fault_is_told() {
        let mut read = Parameters::of("after=-1&wait=61&type=a,b");
        assert_eq!((read.whole("after", 0..=LARGEST), read.whole("wait", 0..=60)), (None, None));
        assert_eq!(read.list("type", |item| Err::<(), _>(format!("{item} is unknown"))), []);
        let refusal = read.check().expect_err("faults");
        let faults: Vec<_> = refusal.faults.into_iter().map(|fault| (fault.pointer, fault.detail)).collect();
        let expected = [
            ("?after", "must be a whole number"),
            ("?wait", "must be a whole number from 0 to 60"),
            ("?type", "a is unknown"),
            ("?type", "b is unknown"),
        ];
        assert_eq!(faults, expected.map(|(pointer, detail)| (pointer.to_owned(), detail.to_owned())));
    }
}

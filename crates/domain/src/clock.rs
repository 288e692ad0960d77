//! Wall-clock time, injected so that tests decide what time it is.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Datelike, SecondsFormat, Timelike, Utc};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

/// 0000-01-01T00:00:00.000Z and 9999-12-31T23:59:59.999Z: RFC 3339 has no years beyond them.
const FIRST_MILLIS: i64 = -62_167_219_200_000;
const LAST_MILLIS: i64 = 253_402_300_799_999;

/// A moment in UTC with millisecond resolution, written as RFC 3339 (`2026-01-19T10:00:05.123Z`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-01-19T10:00:05.123Z")]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment that lies this many milliseconds after 1970-01-01T00:00:00Z.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Reads RFC 3339, in any time zone. Only what can be written again counts: years 0 to 9999 in UTC.
    pub fn parse(text: &str) -> Option<Self> {
        let millis = DateTime::parse_from_rfc3339(text).ok()?.timestamp_millis();
        (FIRST_MILLIS..=LAST_MILLIS).contains(&millis).then_some(Self(millis))
    }

    /// The moment that lies this much later.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(time.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The moment that lies this much earlier.
    #[must_use]
    pub fn before(self, time: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(time.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Time from `earlier` to this moment; zero when the clock went backwards.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// `0000-01-01T00:00:00.000Z`
const TEMPLATE: [u8; 24] = *b"0000-01-01T00:00:00.000Z";

/// A moment of the years 0 to 9999 in RFC 3339. Each event says when it was, and chrono's own formatting allocates and takes ten
/// times as long.
fn digits(moment: DateTime<Utc>) -> Option<[u8; 24]> {
    let year = u32::try_from(moment.year()).ok().filter(|year| *year <= 9999)?;
    let mut text = TEMPLATE;
    let mut put = |at: usize, digits: usize, mut number: u32| {
        for place in text.iter_mut().skip(at).take(digits).rev() {
            // A remainder of ten is a digit.
            *place = b'0' + u8::try_from(number % 10).unwrap_or(0);
            number /= 10;
        }
    };
    put(0, 4, year);
    put(5, 2, moment.month());
    put(8, 2, moment.day());
    put(11, 2, moment.hour());
    put(14, 2, moment.minute());
    put(17, 2, moment.second());
    put(20, 3, moment.timestamp_subsec_millis());
    Some(text)
}

impl Timestamp {
    /// Gives its text to `write`.
    fn with_text<R>(self, write: impl FnOnce(&str) -> R) -> R {
        let moment = DateTime::<Utc>::from_timestamp_millis(self.0).unwrap_or(DateTime::UNIX_EPOCH);
        match digits(moment).as_ref().map(|text| std::str::from_utf8(text)) {
            Some(Ok(text)) => write(text),
            _ => write(&moment.to_rfc3339_opts(SecondsFormat::Millis, true)),
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_text(|text| f.write_str(text))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.with_text(|text| serializer.serialize_str(text))
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("must be a time such as 2026-01-19T10:00:05.123Z"))
    }
}

/// Tells the time of day. Durations are measured with the runtime's own timer.
pub trait Clock: Send + Sync + 'static {
    /// The current moment.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp(Utc::now().timestamp_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_rfc_3339_in_utc_with_milliseconds() {
        assert_eq!(Timestamp::from_millis(1_768_816_805_123).to_string(), "2026-01-19T10:00:05.123Z");
        assert_eq!(Timestamp::from_millis(0).to_string(), "1970-01-01T00:00:00.000Z");
        let spread = (FIRST_MILLIS..=LAST_MILLIS).step_by(321_987_654_321);
        for millis in spread.chain([LAST_MILLIS, LAST_MILLIS + 1]) {
            let moment = DateTime::<Utc>::from_timestamp_millis(millis).expect("a moment");
            let written = moment.to_rfc3339_opts(SecondsFormat::Millis, true);
            assert_eq!(Timestamp::from_millis(millis).to_string(), written);
        }
    }

    #[test]
    fn reads_back_what_it_writes_in_any_zone() {
        let moment = Timestamp::from_millis(1_768_816_805_123);
        assert_eq!(Timestamp::parse("2026-01-19T10:00:05.123Z"), Some(moment));
        assert_eq!(Timestamp::parse("2026-01-19T12:00:05.123+02:00"), Some(moment));
        assert_eq!(Timestamp::parse("tomorrow"), None);
        for beyond in ["9999-12-31T23:59:59-12:00", "0000-01-01T00:00:00+12:00"] {
            assert_eq!(Timestamp::parse(beyond), None, "{beyond} has another year in UTC");
        }
        for edge in [FIRST_MILLIS, LAST_MILLIS].map(Timestamp::from_millis) {
            assert_eq!(Timestamp::parse(&edge.to_string()), Some(edge));
        }
        assert_eq!(moment.after(Duration::from_millis(7)).since(moment), Duration::from_millis(7));
    }

    #[test]
    fn a_clock_that_went_backwards_gives_no_time_rather_than_a_panic() {
        assert_eq!(Timestamp::from_millis(5).since(Timestamp::from_millis(9)), Duration::ZERO);
        assert_eq!(Timestamp::from_millis(9).since(Timestamp::from_millis(5)), Duration::from_millis(4));
    }
}

//! Until when the API wants to be left alone. Its refusals say so in `retry-after`, or by the times at which its limits
//! are renewed.

use std::time::{Duration, UNIX_EPOCH};

use domain::Timestamp;
use hyper::StatusCode;
use hyper::header::{HeaderMap, RETRY_AFTER};

/// "Overloaded", in the API's own numbers.
const OVERLOADED: u16 = 529;
const LIMITS: &str = "anthropic-ratelimit-";
const RESET: &str = "-reset";
const REMAINING: &str = "-remaining";

/// Whether an answer is a refusal because of too many requests.
pub(crate) fn is_limit(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.as_u16() == OVERLOADED
}

/// The time that a refusal names.
pub(crate) fn limited_until(headers: &HeaderMap, now: Timestamp) -> Option<Timestamp> {
    retry_after(headers, now).or_else(|| renewal(headers))
}

/// `retry-after`: seconds or a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Timestamp> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Duration::try_from_secs_f64(seconds).ok().map(|time| now.after(time));
    }
    let since_epoch = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp::from_millis(0).after(since_epoch))
}

/// When the last of the limits that are used up is renewed; of all of them when none says that it is used up.
fn renewal(headers: &HeaderMap) -> Option<Timestamp> {
    let limits = headers.iter().filter_map(|(name, value)| {
        let limit = name.as_str().strip_prefix(LIMITS)?.strip_suffix(RESET)?;
        let used_up = headers.get(format!("{LIMITS}{limit}{REMAINING}")).is_some_and(|left| left == "0");
        Some((used_up, moment(value.to_str().ok()?)?))
    });
    // One that is used up counts more than any that is not.
    limits.max().map(|(_, moment)| moment)
}

/// RFC 3339, or seconds since 1970 as the limits of subscriptions have them.
fn moment(text: &str) -> Option<Timestamp> {
    let seconds = text.parse().ok().map(Duration::from_secs);
    seconds.map(|time| Timestamp::from_millis(0).after(time)).or_else(|| Timestamp::parse(text))
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderName;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn until(lines: &[(&'static str, &'static str)]) -> Option<i64> {
        let headers = lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().expect("a value")));
        limited_until(&headers.collect(), NOW).map(Timestamp::millis)
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(until(&[("retry-after", "3600")]), Some(4_600_000));
        assert_eq!(until(&[("retry-after", " 1.5 ")]), Some(1_001_500));
        assert_eq!(until(&[("retry-after", "Mon, 19 Jan 2026 10:00:05 GMT")]), Some(1_768_816_805_000));
        for nonsense in ["-1", "soon", "", "inf", "NaN", "Mon, 19 Jan 1926 10:00:05 GMT"] {
            assert_eq!(until(&[("retry-after", nonsense)]), None, "{nonsense}");
        }
        assert_eq!(until(&[]), None);
    }

    #[test]
    fn without_it_the_limit_that_is_used_up_counts() {
        let requests = ("anthropic-ratelimit-requests-reset", "2026-01-19T10:00:05Z");
        let tokens = ("anthropic-ratelimit-tokens-reset", "2026-01-19T11:00:00Z");
        let nonsense = ("anthropic-ratelimit-odd-reset", "later");
        assert_eq!(until(&[requests, tokens, nonsense]), Some(1_768_820_400_000));
        let used_up = ("anthropic-ratelimit-requests-remaining", "0");
        let left = ("anthropic-ratelimit-tokens-remaining", "70");
        assert_eq!(until(&[requests, tokens, used_up, left]), Some(1_768_816_805_000));
        assert_eq!(until(&[requests, tokens, ("retry-after", "1")]), Some(1_001_000));
        assert_eq!(until(&[("anthropic-ratelimit-unified-reset", "1768816805")]), Some(1_768_816_805_000));
    }
}

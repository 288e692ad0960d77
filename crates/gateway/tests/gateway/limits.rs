//! Until when the API wants to be left alone.

use std::sync::Arc;

use domain::{Clock, Timestamp};
use gateway::{Endpoint, Gateway, Upstream, UpstreamCredential};
use telemetry::{Levels, Metrics};

use crate::upstream::{REAL_KEY, RawUpstream, post, soon};

struct Stopped(Timestamp);

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        self.0
    }
}

async fn exchange(upstream: &RawUpstream, endpoint: &Endpoint, status: &str, headers: &str) {
    let answer = tokio::spawn(post(endpoint, "/v1/messages").send());
    upstream.request().await.answer(status, headers).await;
    let answer = soon(answer).await.expect("sent").expect("an answer");
    assert_eq!(Some(answer.status().as_str()), status.split(' ').next());
}

#[tokio::test]
async fn a_refusal_names_a_time_until_the_next_success() {
    let upstream = RawUpstream::start().await;
    let now = Timestamp::from_millis(1_768_800_000_000);
    let credential = UpstreamCredential::ApiKey(REAL_KEY.into());
    let to = Upstream { base_url: upstream.base_url(), credential, most_connections: 512 };
    let gateway = Gateway::start_with_clock(to, Arc::default(), Arc::new(Stopped(now))).expect("a gateway");
    let (endpoint, other) = (gateway.open(), gateway.open());
    let hour = Some(Timestamp::from_millis(1_768_803_600_000));
    let date = Some(Timestamp::from_millis(1_768_816_805_000));
    let limits = "anthropic-ratelimit-requests-remaining: 0\r\nanthropic-ratelimit-requests-reset: 2026-01-19T10:00:05Z\r\n";
    let steps = [
        ("429 Too Many Requests", "", None),
        ("429 Too Many Requests", "retry-after: 3600\r\n", hour),
        ("429 Too Many Requests", "", hour),
        ("500 Internal Server Error", "retry-after: 1\r\n", hour),
        ("529 Overloaded", "retry-after: Mon, 19 Jan 2026 10:00:05 GMT\r\n", date),
        ("200 OK", "retry-after: 1\r\n", None),
        ("429 Too Many Requests", limits, date),
        ("201 Created", "", None),
    ];
    for (step, (status, headers, expected)) in steps.into_iter().enumerate() {
        exchange(&upstream, &endpoint, status, headers).await;
        assert_eq!(endpoint.limited_until(), expected, "step {step}: {status} {headers}");
        assert_eq!(other.limited_until(), None, "step {step}");
    }
}

#[tokio::test]
async fn what_came_of_each_request_is_counted() {
    let upstream = RawUpstream::start().await;
    let (metrics, credential) = (Arc::<Metrics>::default(), UpstreamCredential::ApiKey(REAL_KEY.into()));
    let to = Upstream { base_url: upstream.base_url(), credential, most_connections: 512 };
    let gateway = Gateway::start(to, Arc::clone(&metrics)).expect("a gateway");
    let endpoint = gateway.open();
    for status in
        ["200 OK", "429 Too Many Requests", "529 Overloaded", "401 Unauthorized", "400 Bad Request", "500 Oh"]
    {
        exchange(&upstream, &endpoint, status, "").await;
    }
    drop(upstream);
    assert!(soon(post(&endpoint, "/v1/messages").send()).await.is_err());
    let text = metrics.text(&Levels::default());
    let counted: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("model_requests_total")).collect();
    let mut expected =
        [("ok", 1), ("limited", 2), ("refused", 1), ("rejected", 1), ("failed", 1), ("unreached", 1)]
            .map(|(outcome, count)| format!("{{outcome=\"{outcome}\"}} {count}"));
    expected.sort_unstable();
    let mut counted: Vec<_> = counted.into_iter().map(str::to_owned).collect();
    counted.sort_unstable();
    assert_eq!(counted, expected);
}

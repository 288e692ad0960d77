//! How many requests a caller may make.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use api::Code;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::{NoOpMiddleware, StateInformationMiddleware};
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use crate::refusal::Refusal;

/// After so many requests, callers who have not been seen for long are forgotten.
const FORGET_EVERY: u32 = 1024;
/// The network of an IPv6 address: whoever has one has all of it.
const NETWORK: u128 = !(u64::MAX as u128);

/// Who is counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Caller {
    /// Everybody with the key.
    Key,
    /// Everybody at an address, or in a network of IPv6.
    Address(IpAddr),
}

impl Caller {
    /// Somebody without a key that is right. Where no address is known, there is no network in between.
    pub(crate) fn at(address: Option<IpAddr>) -> Self {
        let address = address.map_or(IpAddr::from([127, 0, 0, 1]), |address| address.to_canonical());
        match address {
            IpAddr::V4(_) => Self::Address(address),
            IpAddr::V6(v6) => Self::Address(IpAddr::V6((v6.to_bits() & NETWORK).into())),
        }
    }

    fn is_at_this_machine(self) -> bool {
        match self {
            Self::Key => false,
            // The network of ::1 is that of no other machine.
            Self::Address(address) => address.is_loopback() || address.is_unspecified(),
        }
    }
}

/// Whether callers without a key who sit at the server's machine are limited, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loopback {
    /// They are.
    Limited,
    /// They are not: whoever tries the server out does not run into its limit.
    Spared,
}

/// Requests a minute, of each caller; a caller who was quiet may make all of them at once.
pub struct RateLimit<C: Clock = DefaultClock> {
    limiter: RateLimiter<Caller, DashMapStateStore<Caller>, C, StateInformationMiddleware>,
    clock: C,
    per_minute: NonZeroU32,
    loopback: Loopback,
    checks: AtomicU32,
}

/// What a caller has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Left {
    limit: u32,
    requests: u32,
    /// Until the caller has all of them again.
    reset: Duration,
}

impl RateLimit {
    /// So many a minute.
    pub fn new(per_minute: NonZeroU32, loopback: Loopback) -> Self {
        Self::with_clock(per_minute, loopback, DefaultClock::default())
    }
}

impl<C: Clock + Clone> RateLimit<C> {
    fn with_clock(per_minute: NonZeroU32, loopback: Loopback, clock: C) -> Self {
        let (quota, callers) = (Quota::per_minute(per_minute), DashMapStateStore::default());
        let limiter = RateLimiter::<_, _, _, NoOpMiddleware<C::Instant>>::new(quota, callers, clock.clone());
        let limiter = limiter.with_middleware();
        Self { limiter, clock, per_minute, loopback, checks: AtomicU32::new(0) }
    }

    /// Counts a request. `None` when its caller is not limited.
    ///
    /// # Errors
    /// When it is one too many.
    pub(crate) fn check(&self, caller: Caller) -> Result<Option<Left>, (Left, Refusal)> {
        if self.loopback == Loopback::Spared && caller.is_at_this_machine() {
            return Ok(None);
        }
        if self.checks.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
        }
        let limit = self.per_minute.get();
        match self.limiter.check_key(&caller) {
            Ok(state) => {
                let requests = state.remaining_burst_capacity();
                let reset = Duration::from_secs(60)
                    .mul_f64(f64::from(limit - requests.min(limit)) / f64::from(limit));
                Ok(Some(Left { limit, requests, reset }))
            }
            Err(until) => {
                let wait = until.wait_time_from(self.clock.now());
                let detail = format!("more than {limit} requests a minute: try again later");
                let refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, Code::RateLimited, detail);
                let left = Left { limit, requests: 0, reset: Duration::from_secs(60) };
                Err((left, refusal.retry_after(seconds(wait).max(1))))
            }
        }
    }
}

impl Left {
    /// Tells the caller.
    pub(crate) fn tell(self, headers: &mut HeaderMap) {
        headers.insert("ratelimit-limit", HeaderValue::from(self.limit));
        headers.insert("ratelimit-remaining", HeaderValue::from(self.requests));
        headers.insert("ratelimit-reset", HeaderValue::from(seconds(self.reset)));
    }
}

/// Whole seconds that are not less.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn limit(per_minute: u32, loopback: Loopback) -> (RateLimit<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        let per_minute = NonZeroU32::new(per_minute).expect("above 0");
        (RateLimit::with_clock(per_minute, loopback, clock.clone()), clock)
    }

    fn at(address: &str) -> Caller {
        Caller::at(Some(address.parse().expect("an address")))
    }

    #[test]
    fn a_caller_may_make_so_many_a_minute_and_is_told_what_is_left() {
        let (limit, clock) = limit(3, Loopback::Limited);
        let ask = |caller| {
            let left = limit
                .check(caller)
                .map_err(|(_, refusal)| (refusal.status.as_u16(), refusal.retry_after_seconds));
            left.map(|left| left.map(|left| (left.limit, left.requests, left.reset.as_secs())))
        };
        let loopback = at("127.0.0.1");
        assert_eq!(ask(loopback), Ok(Some((3, 2, 20))));
        assert_eq!(ask(loopback), Ok(Some((3, 1, 40))));
        assert_eq!(ask(loopback), Ok(Some((3, 0, 60))));
        assert_eq!(ask(loopback), Err((429, Some(20))));
        assert_eq!(ask(at("10.0.0.1")), Ok(Some((3, 2, 20))), "another caller");
        assert_eq!(ask(Caller::Key), Ok(Some((3, 2, 20))), "whoever has the key");
        clock.advance(Duration::from_millis(19_500));
        assert_eq!(ask(loopback), Err((429, Some(1))));
        clock.advance(Duration::from_millis(500));
        assert_eq!(ask(loopback), Ok(Some((3, 0, 60))));
    }

    #[test]
    fn who_tries_it_out_is_spared_and_a_network_is_one_caller() {
        let (limit, _) = limit(1, Loopback::Spared);
        for _ in 0..3 {
            assert_eq!(limit.check(at("127.0.0.1")).ok(), Some(None));
            assert_eq!(limit.check(at("::1")).ok(), Some(None));
            assert_eq!(limit.check(at("::ffff:127.0.0.1")).ok(), Some(None));
        }
        assert_eq!(at("2001:db8::1"), at("2001:db8::ffff:2"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
        assert!(limit.check(Caller::Key).is_ok() && limit.check(Caller::Key).is_err());
    }

    #[test]
    fn callers_who_went_away_are_forgotten() {
        let (limit, clock) = limit(60, Loopback::Limited);
        for number in 0..FORGET_EVERY - 1 {
            assert!(limit.check(Caller::at(Some(number.to_be_bytes().into()))).is_ok());
        }
        assert_eq!(limit.limiter.len(), FORGET_EVERY as usize - 1);
        clock.advance(Duration::from_secs(120));
        assert!(limit.check(Caller::Key).is_ok());
        assert_eq!(limit.limiter.len(), 1);
    }
}

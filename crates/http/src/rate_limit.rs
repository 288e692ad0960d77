//! How many requests a caller may make.

pub(crate) mod shared;

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
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
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Caller {
    /// Everybody with that key or token.
    Known(Arc<str>),
    /// Everybody at an address, or in a network of IPv6.
    Address(IpAddr),
    /// The same, by the word of a proxy: that may stand at this machine, and the caller does not.
    Forwarded(IpAddr),
}

impl Caller {
    /// Somebody without a key that is right. Where no address is known, there is no network in between.
    pub(crate) fn at(address: Option<IpAddr>) -> Self {
        Self::Address(counted(address))
    }

    /// The same, whom a proxy speaks for. If it does not say for whom, all of its callers are one.
    pub(crate) fn behind_proxy(address: Option<IpAddr>) -> Self {
        Self::Forwarded(counted(address))
    }

    /// Names the caller among those of all servers.
    fn name(&self) -> String {
        match self {
            Self::Known(name) => format!("key {name}"),
            Self::Address(address) => format!("at {address}"),
            Self::Forwarded(address) => format!("from {address}"),
        }
    }

    fn is_at_this_machine(&self) -> bool {
        match self {
            Self::Known(_) | Self::Forwarded(_) => false,
            // The network of ::1 is that of no other machine.
            Self::Address(address) => address.is_loopback() || address.is_unspecified(),
        }
    }
}

fn counted(address: Option<IpAddr>) -> IpAddr {
    let address = address.map_or(IpAddr::from([127, 0, 0, 1]), |address| address.to_canonical());
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & NETWORK).into()),
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

type Limiter<C> = RateLimiter<Caller, DashMapStateStore<Caller>, C, StateInformationMiddleware>;

/// Requests a minute, of each caller; a caller who was quiet may make all of them at once.
pub struct RateLimit<C: Clock = DefaultClock> {
    /// One for each number of requests that callers have.
    limiters: Mutex<HashMap<NonZeroU32, Arc<Limiter<C>>>>,
    clock: C,
    per_minute: Option<NonZeroU32>,
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
    /// So many a minute, or any number, for those who have no number of their own.
    pub fn new(per_minute: Option<NonZeroU32>, loopback: Loopback) -> Self {
        Self::with_clock(per_minute, loopback, DefaultClock::default())
    }
}

impl<C: Clock + Clone> RateLimit<C> {
    fn with_clock(per_minute: Option<NonZeroU32>, loopback: Loopback, clock: C) -> Self {
        Self { limiters: Mutex::default(), clock, per_minute, loopback, checks: AtomicU32::new(0) }
    }

    fn limiter(&self, per_minute: NonZeroU32) -> Arc<Limiter<C>> {
        let mut limiters = self.limiters.lock().unwrap_or_else(PoisonError::into_inner);
        if self.checks.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            for limiter in limiters.values() {
                limiter.retain_recent();
                limiter.shrink_to_fit();
            }
            limiters.retain(|_, limiter| !limiter.is_empty());
        }
        let new = || {
            let (quota, callers) = (Quota::per_minute(per_minute), DashMapStateStore::default());
            let limiter =
                RateLimiter::<_, _, _, NoOpMiddleware<C::Instant>>::new(quota, callers, self.clock.clone());
            Arc::new(limiter.with_middleware())
        };
        Arc::clone(limiters.entry(per_minute).or_insert_with(new))
    }

    /// Counts a request. `None` when its caller is not limited.
    ///
    /// # Errors
    /// When it is one too many.
    pub(crate) fn check(
        &self,
        caller: Caller,
        own: Option<NonZeroU32>,
    ) -> Result<Option<Left>, (Left, Refusal)> {
        if self.loopback == Loopback::Spared && caller.is_at_this_machine() {
            return Ok(None);
        }
        let Some(per_minute) = own.or(self.per_minute) else { return Ok(None) };
        let limit = per_minute.get();
        match self.limiter(per_minute).check_key(&caller) {
            Ok(state) => {
                let requests = state.remaining_burst_capacity();
                let reset = Duration::from_secs(60)
                    .mul_f64(f64::from(limit - requests.min(limit)) / f64::from(limit));
                Ok(Some(Left { limit, requests, reset }))
            }
            Err(until) => {
                let left = Left { limit, requests: 0, reset: Duration::from_secs(60) };
                Err(too_many(left, until.wait_time_from(self.clock.now())))
            }
        }
    }
}

fn too_many(left: Left, wait: Duration) -> (Left, Refusal) {
    let detail = format!("more than {} requests a minute: try again later", left.limit);
    let refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, Code::RateLimited, detail);
    (left, refusal.retry_after(seconds(wait).max(1)))
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
        let per_minute = NonZeroU32::new(per_minute);
        (RateLimit::with_clock(per_minute, loopback, clock.clone()), clock)
    }

    fn key() -> Caller {
        Caller::Known("key:1".into())
    }

    fn at(address: &str) -> Caller {
        Caller::at(Some(address.parse().expect("an address")))
    }

    #[test]
    fn a_caller_may_make_so_many_a_minute_and_is_told_what_is_left() {
        let (limit, clock) = limit(3, Loopback::Limited);
        let ask = |caller| {
            let left = limit
                .check(caller, None)
                .map_err(|(_, refusal)| (refusal.status.as_u16(), refusal.retry_after_seconds));
            left.map(|left| left.map(|left| (left.limit, left.requests, left.reset.as_secs())))
        };
        let loopback = at("127.0.0.1");
        let loopback = || loopback.clone();
        assert_eq!(ask(loopback()), Ok(Some((3, 2, 20))));
        assert_eq!(ask(loopback()), Ok(Some((3, 1, 40))));
        assert_eq!(ask(loopback()), Ok(Some((3, 0, 60))));
        assert_eq!(ask(loopback()), Err((429, Some(20))));
        assert_eq!(ask(at("10.0.0.1")), Ok(Some((3, 2, 20))), "another caller");
        assert_eq!(ask(key()), Ok(Some((3, 2, 20))), "whoever has the key");
        clock.advance(Duration::from_millis(19_500));
        assert_eq!(ask(loopback()), Err((429, Some(1))));
        clock.advance(Duration::from_millis(500));
        assert_eq!(ask(loopback()), Ok(Some((3, 0, 60))));
    }

    #[test]
    fn who_tries_it_out_is_spared_and_a_network_is_one_caller() {
        let (limit, _) = limit(1, Loopback::Spared);
        for _ in 0..3 {
            assert_eq!(limit.check(at("127.0.0.1"), None).ok(), Some(None));
            assert_eq!(limit.check(at("::1"), None).ok(), Some(None));
            assert_eq!(limit.check(at("::ffff:127.0.0.1"), None).ok(), Some(None));
        }
        assert_eq!(at("2001:db8::1"), at("2001:db8::ffff:2"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
        assert!(limit.check(key(), None).is_ok() && limit.check(key(), None).is_err());
    }

    #[test]
    fn callers_who_went_away_are_forgotten() {
        let (limit, clock) = limit(60, Loopback::Limited);
        let remembered = || limit.limiter(NonZeroU32::new(60).expect("above 0")).len();
        for number in 0..FORGET_EVERY - 2 {
            assert!(limit.check(Caller::at(Some(number.to_be_bytes().into())), None).is_ok());
        }
        assert_eq!(remembered(), FORGET_EVERY as usize - 2);
        clock.advance(Duration::from_secs(120));
        assert!(limit.check(key(), None).is_ok());
        assert_eq!(remembered(), 1);
    }

    #[test]
    fn a_key_with_a_number_of_its_own_is_held_to_that() {
        let clock = FakeRelativeClock::default();
        let limit = RateLimit::with_clock(None, Loopback::Limited, clock);
        let own = NonZeroU32::new(1);
        assert_eq!(limit.check(at("10.0.0.1"), None).ok(), Some(None), "others have no limit");
        assert!(limit.check(key(), own).is_ok() && limit.check(key(), own).is_err());
        assert!(limit.check(Caller::Known("key:2".into()), own).is_ok());
    }
}

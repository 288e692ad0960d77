//! This server's place among those that share the store: its lease, renewed while it lives, by the time of Redis.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::LeaseToken;
use store::{InstanceRecord, LeaseState, StoreError, boot_time};
use tokio::sync::watch;
use tokio::time::sleep;
use uuid::Uuid;

use crate::link::Link;
use crate::open::OpenError;
use crate::reply::{Items, Reply};
use crate::rows;
use crate::scripts::Scripts;
use crate::settings::RedisSettings;
use crate::store::Shared;

/// How what is stored looks.
pub(crate) const VERSION: &str = "1";

/// The part of a lease that a server counts on: what it runs takes a moment to end.
const COUNTED_ON: f64 = 0.8;
/// A machine that was suspended finds out after this that the lease has ended meanwhile: its timers stood still.
const LOOKED_AT_EACH: Duration = Duration::from_millis(200);

/// Who this server is now.
#[derive(Debug, Clone)]
struct Incarnation {
    id: Arc<str>,
    /// When this server counts on the lease no more, as `boot_time`.
    ends: Duration,
    /// Whether it was handed nothing more when last heard of.
    draining: bool,
    /// What no server that shares the store has missed commits since.
    epoch: Arc<str>,
    /// Tells a beginning whose answer was lost from another one.
    next: Uuid,
}

#[derive(Debug)]
pub(crate) struct Membership {
    name: String,
    labels: String,
    roots: String,
    lease: Duration,
    heartbeat: Duration,
    now: Mutex<Incarnation>,
    /// Whether acknowledged commits were found missing since the lease began.
    misses: AtomicBool,
    /// The highest token that was handed out to this server.
    seen: AtomicU64,
    pub(crate) state: watch::Sender<LeaseState>,
}

/// A beginning: with the last token of those before it.
struct Begun {
    id: Arc<str>,
    above: LeaseToken,
    epoch: Arc<str>,
}

/// What joining answers.
enum Joined {
    As(Begun),
    Replaced,
    Version(String),
}

impl Membership {
    /// Joins those that share the store.
    pub(crate) async fn join(
        link: &Link,
        scripts: &Scripts,
        settings: &RedisSettings,
    ) -> Result<Self, OpenError> {
        let instance = &settings.instance;
        let name = instance.name.clone().unwrap_or_else(|| Uuid::new_v4().to_string());
        let begun = boot_time();
        let membership = Self {
            name,
            labels: rows::json(&instance.labels)?,
            roots: rows::json(&instance.workspace_roots)?,
            lease: settings.lease,
            heartbeat: settings.heartbeat,
            now: Mutex::new(Incarnation {
                id: "".into(),
                ends: begun,
                draining: false,
                epoch: "".into(),
                next: Uuid::new_v4(),
            }),
            misses: AtomicBool::new(false),
            seen: AtomicU64::new(0),
            state: watch::Sender::new(LeaseState::Lost),
        };
        match membership.ask_to_join(link, scripts).await? {
            Joined::As(joined) => membership.begin(joined, begun),
            Joined::Replaced => return Err(membership.replaced().into()),
            Joined::Version(found) => {
                return Err(OpenError::Version { prefix: link.prefix.clone(), found, ours: VERSION });
            }
        }
        Ok(membership)
    }

    async fn ask_to_join(&self, link: &Link, scripts: &Scripts) -> Result<Joined, StoreError> {
        let mut call = link.call(&scripts.join);
        call.arg(&self.name).arg(millis(self.lease)).arg(&self.labels).arg(&self.roots);
        let now = self.lock().clone();
        call.arg(VERSION).arg(&*now.id).arg(now.next.to_string()).arg(u8::from(now.draining));
        call.arg(&*now.epoch).arg(u8::from(self.misses.load(Ordering::Relaxed)));
        call.arg(self.seen.load(Ordering::Relaxed));
        let mut reply = link.commit(&call).await?;
        match reply.code.as_str() {
            "ok" => {
                reply.rest.text()?;
                let (id, above) = (reply.rest.text()?.into(), LeaseToken(reply.rest.number()?));
                Ok(Joined::As(Begun { id, above, epoch: reply.rest.text()?.into() }))
            }
            "replaced" => Ok(Joined::Replaced),
            "version" => Ok(Joined::Version(reply.rest.text()?)),
            _ => Err(reply.unknown()),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Incarnation> {
        // Nothing in here is ever half done.
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts on a lease that was asked for at that time.
    fn begin(&self, Begun { id, above, epoch }: Begun, asked: Duration) {
        self.misses.store(false, Ordering::Relaxed);
        self.has_seen(above);
        {
            let mut now = self.lock();
            let draining = now.draining;
            let ends = asked + self.counted_on();
            *now = Incarnation { id, ends, draining, epoch, next: Uuid::new_v4() };
        }
        self.state.send_replace(LeaseState::Held { above });
    }

    fn counted_on(&self) -> Duration {
        self.lease.mul_f64(COUNTED_ON)
    }

    /// When this server counts on its lease no more. Whoever asks after that time ends the lease: from then on nobody goes on under it.
    pub(crate) fn ends(&self) -> Duration {
        let now = self.lock();
        self.end_if_over(&now);
        now.ends
    }

    /// Tells whether the time is over; then the lease is lost, even if a renewal is on its way.
    fn end_if_over(&self, now: &Incarnation) -> bool {
        let is_over = boot_time() >= now.ends;
        if is_over {
            self.lost();
        }
        is_over
    }

    /// The id under which commands are sent.
    pub(crate) fn id(&self) -> Arc<str> {
        Arc::clone(&self.lock().id)
    }

    /// Whether this server was handed nothing more when it last heard.
    pub(crate) fn is_draining(&self) -> bool {
        self.lock().draining
    }

    /// Somebody said so here; the other servers hear of themselves when they renew their leases.
    fn told_to_drain(&self, instance: &str, draining: bool) {
        let mut now = self.lock();
        if *now.id == *instance {
            now.draining = draining;
        }
    }

    fn replaced(&self) -> StoreError {
        StoreError(format!(
            "another server has begun under the instance name {:?}: give each server a name of its own",
            self.name
        ))
    }

    /// The lease has ended under which something was asked; the one that was begun since has not.
    pub(crate) fn lost_as(&self, id: &str) {
        let now = self.lock();
        if *now.id == *id {
            self.lost();
        }
    }

    /// A token was handed out to this server.
    pub(crate) fn has_seen(&self, token: LeaseToken) {
        self.seen.fetch_max(token.0, Ordering::Relaxed);
    }

    /// Redis has lost what it had acknowledged: all servers have to begin anew, since tokens may be given out twice.
    pub(crate) fn misses_commits(&self) {
        self.misses.store(true, Ordering::Relaxed);
        self.lost();
    }

    /// The lease has ended, whichever it is.
    fn lost(&self) {
        self.state.send_if_modified(|state| std::mem::replace(state, LeaseState::Lost) != LeaseState::Lost);
    }

    pub(crate) fn is_lost(&self) -> bool {
        *self.state.borrow() == LeaseState::Lost
    }

    /// Begins anew under the same name.
    pub(crate) async fn rejoin(&self, link: &Link, scripts: &Scripts) -> Result<(), StoreError> {
        if !self.is_lost() {
            return Ok(());
        }
        let begun = boot_time();
        match self.ask_to_join(link, scripts).await? {
            Joined::As(joined) => self.begin(joined, begun),
            Joined::Replaced => return Err(self.replaced()),
            Joined::Version(found) => {
                return Err(StoreError(format!(
                    "redis now holds version {found} of the store: upgrade this server"
                )));
            }
        }
        Ok(())
    }
}

/// What a command answers that comes without a lease.
pub(crate) fn no_lease() -> StoreError {
    StoreError("the lease of this server has ended: its agents have to end, then it can join again".into())
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Renews the lease until it is aborted. When Redis cannot be asked, the lease is lost as soon as others may hold it so.
pub(crate) async fn run(shared: Arc<Shared>) {
    let membership = &shared.membership;
    let mut beat = tokio::time::interval(membership.heartbeat);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = ended(membership), if !membership.is_lost() => {}
            _ = beat.tick() => {
                if membership.is_lost() {
                    continue;
                }
                tokio::select! {
                    () = renew(&shared) => {}
                    () = ended(membership) => {}
                }
            }
        }
    }
}

/// Waits until this server counts on its lease no more.
async fn ended(membership: &Membership) {
    loop {
        let left = membership.ends().saturating_sub(boot_time());
        if membership.is_lost() {
            return;
        }
        sleep(left.min(LOOKED_AT_EACH)).await;
    }
}

async fn renew(shared: &Shared) {
    let membership = &shared.membership;
    let (id, begun) = (membership.id(), boot_time());
    let mut call = shared.link.call(&shared.scripts.heartbeat);
    call.arg(&*id).arg(millis(membership.lease));
    let Ok(mut reply) = shared.link.ask(&call).await.and_then(Reply::of) else { return };
    if reply.code != "held" {
        return membership.lost_as(&id);
    }
    let (left, draining, epoch) = (reply.rest.number::<u64>(), reply.rest.flag(), reply.rest.text());
    {
        let mut now = membership.lock();
        // A rejoin meanwhile has made another incarnation, of which this says nothing; and what has ended stays so.
        if now.id != id || membership.end_if_over(&now) {
            return;
        }
        if epoch.is_ok_and(|epoch| *epoch != *now.epoch) {
            tracing::error!("another server found that redis has lost commits: this one joins again, too");
            return membership.lost();
        }
        now.ends = begun + membership.counted_on();
        now.draining = draining.unwrap_or(now.draining);
    }
    if left.is_ok_and(|left| left > 0) {
        shared.live.wake_take_over();
    }
}

/// Ends the lease.
pub(crate) async fn leave(shared: &Shared) -> Result<(), StoreError> {
    let mut call = shared.link.call(&shared.scripts.leave);
    call.arg(&*shared.membership.id());
    let left = Reply::of(shared.link.ask(&call).await?);
    shared.membership.lost();
    left.map(drop)
}

/// All that share the store.
pub(crate) async fn list(shared: &Shared) -> Result<Vec<InstanceRecord>, StoreError> {
    let items = Items::of(shared.link.ask(&shared.link.call(&shared.scripts.list_instances)).await?)?;
    let mut found = items.each(|items| {
        let mut row = items.items()?;
        let name = row.text()?;
        let unreadable = |_| StoreError(format!("redis holds something odd of the instance {name}"));
        let (labels, roots) = (row.text()?, row.text()?);
        Ok(InstanceRecord {
            labels: serde_json::from_str(&labels).map_err(unreadable)?,
            workspace_roots: serde_json::from_str(&roots).map_err(unreadable)?,
            started_at: rows::time(&row.text()?)?,
            last_heartbeat: rows::time(&row.text()?)?,
            draining: row.flag()?,
            alive: row.flag()?,
            running: row.number()?,
            id: row.text()?,
            name,
        })
    })?;
    found.sort_by(|a, b| (a.started_at, &a.id).cmp(&(b.started_at, &b.id)));
    Ok(found)
}

/// Says whether an instance is to be handed nothing more.
pub(crate) async fn set_draining(
    shared: &Shared,
    instance: &str,
    draining: bool,
) -> Result<bool, StoreError> {
    let mut call = shared.link.call(&shared.scripts.drain);
    call.arg(instance).arg(u8::from(draining));
    let mut reply = shared.link.commit(&call).await?;
    if reply.code == "unknown" {
        return Ok(false);
    }
    shared.tell(&mut reply, None)?;
    shared.membership.told_to_drain(instance, draining);
    Ok(true)
}

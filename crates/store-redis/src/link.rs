//! The connection that all commands share: it comes back by itself, and nobody waits for it for ever.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisError, Script, ScriptInvocation, Value};
use store::StoreError;
#[cfg(test)]
use store::conformance::FailurePoint;
use tokio::time::{MissedTickBehavior, interval};

use crate::reply::Reply;
use crate::route::Route;

/// Commands that may wait to be written.
const PIPELINE: usize = 1024;
/// Time between two attempts to connect again.
const RETRY: Duration = Duration::from_millis(100);
/// Time between two questions to the sentinels.
const LOOKED_FOR_EACH: Duration = Duration::from_millis(500);

/// A Redis at an address.
#[derive(Clone)]
struct There {
    client: Client,
    manager: ConnectionManager,
    address: Arc<str>,
}

pub(crate) struct Link {
    route: Route,
    there: RwLock<There>,
    pub(crate) prefix: String,
    pub(crate) timeout: Duration,
    #[cfg(test)]
    pub(crate) failure: std::sync::Mutex<Option<FailurePoint>>,
}

impl There {
    fn new(client: Client, timeout: Duration) -> Result<Self, StoreError> {
        let address: Arc<str> = client.get_connection_info().addr().to_string().into();
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(timeout / 2))
            .set_response_timeout(Some(timeout))
            .set_number_of_retries(3)
            .set_min_delay(RETRY)
            .set_max_delay(RETRY)
            .set_pipeline_buffer_size(PIPELINE);
        let manager = ConnectionManager::new_lazy_with_config(client.clone(), config)
            .map_err(|error| StoreError(format!("redis at {address} cannot be used: {error}")))?;
        Ok(Self { client, manager, address })
    }
}

fn unknown(error: &RedisError) -> StoreError {
    StoreError(format!(
        "no redis sentinel knows a master that answers ({error}): check their addresses and its name"
    ))
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("address", &self.address())
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl Link {
    /// Finds Redis; it is connected to when the first command is sent.
    pub(crate) async fn new(route: Route, prefix: String, timeout: Duration) -> Result<Self, StoreError> {
        let client = match tokio::time::timeout(timeout, route.find()).await {
            Ok(Ok(client)) => client,
            Ok(Err(error)) => return Err(unknown(&error)),
            Err(_) => {
                return Err(StoreError(format!("the redis sentinels did not answer within {timeout:?}")));
            }
        };
        Ok(Self {
            route,
            there: RwLock::new(There::new(client, timeout)?),
            prefix,
            timeout,
            #[cfg(test)]
            failure: std::sync::Mutex::default(),
        })
    }

    fn there(&self) -> There {
        // Nothing in here is ever half done.
        self.there.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where Redis is, as a text.
    pub(crate) fn address(&self) -> Arc<str> {
        self.there().address
    }

    /// For connections of another kind.
    pub(crate) fn client(&self) -> Client {
        self.there().client
    }

    /// Goes where Redis is after each failover, until it is aborted.
    pub(crate) async fn follow(&self) {
        if !self.route.may_move() {
            return;
        }
        let mut ticks = interval(LOOKED_FOR_EACH);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let Ok(Ok(client)) = tokio::time::timeout(self.timeout, self.route.find()).await else {
                continue;
            };
            if *client.get_connection_info().addr().to_string() == *self.address() {
                continue;
            }
            if let Ok(there) = There::new(client, self.timeout) {
                *self.there.write().unwrap_or_else(PoisonError::into_inner) = there;
            }
        }
    }

    /// A call of a script, to be given its arguments.
    pub(crate) fn call<'a>(&self, script: &'a Script) -> ScriptInvocation<'a> {
        let mut call = script.prepare_invoke();
        call.key(&self.prefix);
        call
    }

    /// Looks something up.
    pub(crate) async fn ask(&self, call: &ScriptInvocation<'_>) -> Result<Value, StoreError> {
        let mut manager = self.there().manager;
        self.within(async { call.invoke_async::<Value>(&mut manager).await }).await
    }

    /// Carries out a command.
    pub(crate) async fn commit(&self, call: &ScriptInvocation<'_>) -> Result<Reply, StoreError> {
        #[cfg(test)]
        self.fail_at(FailurePoint::BeforeCommit)?;
        let value = self.ask(call).await?;
        #[cfg(test)]
        self.fail_at(FailurePoint::AfterCommit)?;
        Reply::of(value)
    }

    /// Sends a command that is no script.
    pub(crate) async fn send(&self, command: &redis::Cmd) -> Result<Value, StoreError> {
        let mut manager = self.there().manager;
        self.within(async { command.query_async::<Value>(&mut manager).await }).await
    }

    async fn within(
        &self,
        answer: impl Future<Output = Result<Value, RedisError>>,
    ) -> Result<Value, StoreError> {
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(self.failed(&error)),
            Err(_) => Err(self.silent()),
        }
    }

    /// What an error of the client means.
    pub(crate) fn failed(&self, error: &RedisError) -> StoreError {
        let address = self.address();
        if error.is_timeout() {
            return self.silent();
        }
        let unreachable =
            error.is_io_error() || error.is_connection_dropped() || error.is_connection_refusal();
        StoreError(if unreachable {
            format!("redis at {address} cannot be reached ({error}): check that it runs, and its address")
        } else {
            format!(
                "redis at {address} refused ({error}): check its configuration and the access that it grants"
            )
        })
    }

    fn silent(&self) -> StoreError {
        let (address, timeout) = (self.address(), self.timeout);
        StoreError(format!(
            "redis at {address} did not answer within {timeout:?}: check that it runs and is not overloaded"
        ))
    }

    #[cfg(test)]
    fn fail_at(&self, point: FailurePoint) -> Result<(), StoreError> {
        let mut failure = self.failure.lock().expect("not poisoned");
        if *failure != Some(point) {
            return Ok(());
        }
        *failure = None;
        Err(StoreError(format!("a test lets it fail {point:?}")))
    }
}

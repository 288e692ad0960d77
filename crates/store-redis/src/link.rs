//! The connection that all commands share: it comes back by itself, and nobody waits for it for ever.

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisError, Script, ScriptInvocation, Value};
use store::StoreError;
#[cfg(test)]
use store::conformance::FailurePoint;

use crate::reply::Reply;

/// Commands that may wait to be written.
const PIPELINE: usize = 1024;
/// Time between two attempts to connect again.
const RETRY: Duration = Duration::from_millis(100);

pub(crate) struct Link {
    pub(crate) client: Client,
    manager: ConnectionManager,
    pub(crate) prefix: String,
    pub(crate) address: String,
    pub(crate) timeout: Duration,
    #[cfg(test)]
    pub(crate) failure: std::sync::Mutex<Option<FailurePoint>>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("address", &self.address)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl Link {
    /// Connects when the first command is sent.
    pub(crate) fn new(client: Client, prefix: String, timeout: Duration) -> Result<Self, StoreError> {
        let address = client.get_connection_info().addr().to_string();
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(timeout / 2))
            .set_response_timeout(Some(timeout))
            .set_number_of_retries(3)
            .set_min_delay(RETRY)
            .set_max_delay(RETRY)
            .set_pipeline_buffer_size(PIPELINE);
        let manager = ConnectionManager::new_lazy_with_config(client.clone(), config)
            .map_err(|error| StoreError(format!("redis at {address} cannot be used: {error}")))?;
        Ok(Self {
            client,
            manager,
            prefix,
            address,
            timeout,
            #[cfg(test)]
            failure: std::sync::Mutex::default(),
        })
    }

    /// A call of a script, to be given its arguments.
    pub(crate) fn call<'a>(&self, script: &'a Script) -> ScriptInvocation<'a> {
        let mut call = script.prepare_invoke();
        call.key(&self.prefix);
        call
    }

    /// Looks something up.
    pub(crate) async fn ask(&self, call: &ScriptInvocation<'_>) -> Result<Value, StoreError> {
        let mut manager = self.manager.clone();
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
        let mut manager = self.manager.clone();
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
        let address = &self.address;
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
        let (address, timeout) = (&self.address, self.timeout);
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

//! The client: one request after the other, each until it is answered.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use api::{InterruptResponse, SessionList, TaskList, TaskRequest, TaskResponse, TaskStatusResponse};
use domain::TaskId;
use reqwest::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::time::sleep;
use uuid::Uuid;

use crate::error::ClientError;
use crate::event::Event;
use crate::follow::Follower;
use crate::retry::Failures;
use crate::socket::{Cut, Socket, may_pass};

/// A server on this machine that was started with nothing said.
pub const LOCAL_SERVER: &str = "http://127.0.0.1:8000";
/// For how long a server that was there may be away: a restart, a deployment.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long a server may be silent before it is asked again, or given up when it never answered. The longest that it thinks
/// about is an interrupt, which it answers within 5 s.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How long an answer may take from its first byte to its last.
const WHOLE_ANSWER_WITHIN: Duration = Duration::from_secs(120);

/// Is told when something has to be tried again, and why.
type Notice = Box<dyn Fn(&str) + Send + Sync>;

/// A server, as one caller uses it.
pub struct Client {
    http: reqwest::Client,
    server: String,
    authorization: Option<HeaderValue>,
    patience: Duration,
    notice: Notice,
    /// Whether a request ever got as far as the server: what it then made of it is asked for again.
    has_reached: AtomicBool,
    /// Whether it ever answered: one that never did is not waited for long.
    has_met: AtomicBool,
}

/// What is read of the server's capabilities.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ServerInfo {
    /// The server's version.
    pub version: String,
    /// The version of the CLI that its agents run.
    pub agent_version: String,
}

/// Which tasks to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskQuery {
    /// Only these statuses, as words; all when empty.
    pub statuses: Vec<String>,
    /// Only this session's.
    pub session: Option<String>,
    /// Most of a page, from 1 to 200.
    pub limit: u64,
    /// Where the page before has ended.
    pub cursor: Option<String>,
}

/// Some of a task's events.
#[derive(Debug, Clone, PartialEq)]
pub struct EventPage {
    /// The events, in order; empty when there are no more yet.
    pub events: Vec<Event>,
    /// The cursor for the next page.
    pub next_after: u64,
    /// Whether the task has ended and this reaches its last event.
    pub is_complete: bool,
}

#[derive(Deserialize)]
struct PageBody {
    events: Vec<Box<RawValue>>,
    next_after: u64,
    complete: bool,
}

/// What an interrupt came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interrupted {
    /// It was stopped, or will be.
    Stopped(InterruptResponse),
    /// It had ended by itself.
    HadEnded,
}

/// One try that failed.
struct Failed {
    error: ClientError,
    /// Whether the same may succeed later, and what the server asks to wait.
    again: Option<Option<Duration>>,
}

/// An id that no task has.
#[must_use]
pub fn new_task_id() -> String {
    format!("task-{}", Uuid::now_v7())
}

impl Client {
    /// A client of the server at an address such as [`LOCAL_SERVER`]. An empty address is that one, and an empty key none: so
    /// an empty variable counts as not set.
    ///
    /// # Errors
    /// When that is no address, or the key none.
    pub fn new(server: &str, api_key: Option<&str>) -> Result<Self, ClientError> {
        let server = if server.is_empty() { LOCAL_SERVER } else { server.trim_end_matches('/') }.to_owned();
        let fault = |reason: String| ClientError::Address { server: server.clone(), reason };
        let url = Url::parse(&server).map_err(|error| fault(error.to_string()))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(ClientError::Secret);
        }
        if !matches!(url.scheme(), "http" | "https") || url.query().is_some() || url.fragment().is_some() {
            return Err(fault("it has to begin with http:// or https:// and has no ? and #".to_owned()));
        }
        let authorization = api_key.filter(|key| !key.is_empty()).map(|key| {
            let mut value =
                HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| ClientError::ApiKey)?;
            value.set_sensitive(true);
            Ok(value)
        });
        let http = reqwest::Client::builder()
            .no_proxy()
            // A key is for one server, and a submission that is sent on becomes a question.
            .redirect(Policy::none())
            .connect_timeout(ANSWER_WITHIN)
            .read_timeout(ANSWER_WITHIN)
            .timeout(WHOLE_ANSWER_WITHIN)
            .build()
            .map_err(ClientError::Setup)?;
        Ok(Self {
            http,
            authorization: authorization.transpose()?,
            patience: PATIENCE,
            notice: Box::new(|_| {}),
            has_reached: AtomicBool::new(false),
            has_met: AtomicBool::new(false),
            server,
        })
    }

    /// For how long a server that was there may be away, instead of five minutes.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Whom to tell when a request has to be made again, and why. Told once for each request.
    #[must_use]
    pub fn on_wait(mut self, notice: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.notice = Box::new(notice);
        self
    }

    /// The server's address.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// What the server is; also whether it takes the key.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn info(&self) -> Result<ServerInfo, ClientError> {
        self.get(self.url(&["api", "v1", "capabilities"])?).await
    }

    /// Submits a task. It gets an id unless it has one, so that a submission whose answer was lost can be made again.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn submit(&self, mut task: TaskRequest) -> Result<TaskResponse, ClientError> {
        task.task_id.get_or_insert_with(new_task_id);
        let url = self.url(&["api", "v1", "tasks"])?;
        self.call(|| self.http.post(url.clone()).json(&task)).await
    }

    /// Stops a task; answers when it has ended.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn interrupt(&self, task: &TaskId) -> Result<Interrupted, ClientError> {
        let url = self.url(&["api", "v1", "tasks", task.as_str(), "interrupt"])?;
        match self.call(|| self.http.post(url.clone())).await {
            Ok(answer) => Ok(Interrupted::Stopped(answer)),
            Err(error) if error.code() == Some("task_finished") => Ok(Interrupted::HadEnded),
            Err(error) => Err(error),
        }
    }

    /// Where a task is.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn task(&self, task: &TaskId) -> Result<TaskStatusResponse, ClientError> {
        self.get(self.url(&["api", "v1", "tasks", task.as_str()])?).await
    }

    /// A page of tasks, the newest first.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn tasks(&self, query: &TaskQuery) -> Result<TaskList, ClientError> {
        let mut url = self.url(&["api", "v1", "tasks"])?;
        {
            let mut pairs = url.query_pairs_mut();
            pairs.append_pair("limit", &query.limit.to_string());
            if !query.statuses.is_empty() {
                pairs.append_pair("status", &query.statuses.join(","));
            }
            for (name, value) in [("session_id", &query.session), ("cursor", &query.cursor)] {
                if let Some(value) = value {
                    pairs.append_pair(name, value);
                }
            }
        }
        self.get(url).await
    }

    /// All sessions, the oldest first.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn sessions(&self) -> Result<SessionList, ClientError> {
        self.get(self.url(&["api", "v1", "sessions"])?).await
    }

    /// A task's events after a cursor, as many as make a page.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn events(&self, task: &TaskId, after: u64) -> Result<EventPage, ClientError> {
        let mut url = self.url(&["api", "v1", "tasks", task.as_str(), "events"])?;
        url.query_pairs_mut().append_pair("after", &after.to_string());
        let page: PageBody = self.get(url).await?;
        let events: Result<Vec<_>, _> = page.events.iter().map(|event| Event::read(event.get())).collect();
        let events = events.map_err(|source| self.malformed(source))?;
        Ok(EventPage { events, next_after: page.next_after, is_complete: page.complete })
    }

    /// A task's events after a cursor, then live, until it has ended.
    #[must_use]
    pub fn follow(&self, task: &TaskId, after: u64) -> Follower<'_> {
        Follower::new(self, task.clone(), after)
    }

    pub(crate) async fn open_stream(&self, task: &TaskId, after: u64) -> Result<Socket, Cut> {
        let mut url = self.url(&["ws", "tasks", task.as_str()]).map_err(Cut::Refused)?;
        let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
        // Between http and ws, which are alike, it cannot fail.
        url.set_scheme(scheme).ok();
        url.query_pairs_mut().append_pair("after", &after.to_string());
        let opened = Socket::open(&url, self.authorization.as_ref()).await;
        if matches!(opened, Ok(_) | Err(Cut::Refused(_) | Cut::Busy(_))) {
            self.meet();
        }
        opened
    }

    /// For how long to go on asking: a server that has never answered is not waited for long.
    pub(crate) fn patience(&self) -> Duration {
        if self.has_met_server() { self.patience } else { self.patience.min(ANSWER_WITHIN) }
    }

    pub(crate) fn has_met_server(&self) -> bool {
        self.has_met.load(Ordering::Relaxed)
    }

    fn meet(&self) {
        self.has_met.store(true, Ordering::Relaxed);
    }

    pub(crate) fn unreachable(&self, source: Box<dyn Error + Send + Sync>) -> ClientError {
        ClientError::Unreachable { server: self.server.clone(), source }
    }

    pub(crate) fn silent(&self) -> ClientError {
        ClientError::Silent { server: self.server.clone(), within: ANSWER_WITHIN }
    }

    pub(crate) fn lost(&self, lasted: Duration, last: String) -> ClientError {
        ClientError::Lost { server: self.server.clone(), lasted, last }
    }

    pub(crate) fn malformed(&self, source: serde_json::Error) -> ClientError {
        ClientError::Malformed { server: self.server.clone(), source }
    }

    /// A path below the server's address, its segments escaped.
    fn url(&self, segments: &[&str]) -> Result<Url, ClientError> {
        let fault =
            |reason: &str| ClientError::Address { server: self.server.clone(), reason: reason.into() };
        let mut url = Url::parse(&self.server).map_err(|error| fault(&error.to_string()))?;
        url.path_segments_mut().map_err(|()| fault("it has no path"))?.pop_if_empty().extend(segments);
        Ok(url)
    }

    async fn get<T: DeserializeOwned>(&self, url: Url) -> Result<T, ClientError> {
        self.call(|| self.http.get(url.clone())).await
    }

    /// Makes a request until it is answered, or there is no hope.
    async fn call<T: DeserializeOwned>(
        &self,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<T, ClientError> {
        let mut failures = Failures::from_now();
        let mut is_told = false;
        loop {
            let Failed { error, again } = match self.try_once(request()).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            let Some(asked) = again else { return Err(error) };
            match failures.another(asked, self.patience()) {
                Ok(pause) => {
                    if !std::mem::replace(&mut is_told, true) {
                        (self.notice)(&format!("{error}: trying again"));
                    }
                    sleep(pause).await;
                }
                Err(_) if matches!(error, ClientError::Refused { .. }) => return Err(error),
                Err(lasted) => return Err(self.lost(lasted, error.cause())),
            }
        }
    }

    async fn try_once<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Failed> {
        let request = match &self.authorization {
            Some(value) => request.header(AUTHORIZATION, value),
            None => request,
        };
        let response = request.send().await.map_err(|error| self.failed(error))?;
        let status = response.status();
        let asked = retry_after(&response);
        let body = response.bytes().await.map_err(|error| self.failed(error))?;
        self.meet();
        if !status.is_success() {
            let error = ClientError::refused(status.as_u16(), &body);
            return Err(Failed { error, again: may_pass(status.as_u16()).then_some(asked) });
        }
        serde_json::from_slice(&body).map_err(|source| Failed { error: self.malformed(source), again: None })
    }

    /// A request that was not answered. Once one has reached a server, it may be at work on it, and is asked again; not so one
    /// that says nothing at all.
    fn failed(&self, error: reqwest::Error) -> Failed {
        let is_met = self.has_met_server();
        let has_reached = !error.is_connect() && !error.is_builder();
        if has_reached && error.is_timeout() {
            return Failed { error: self.silent(), again: is_met.then_some(None) };
        }
        let has_reached = self.has_reached.fetch_or(has_reached, Ordering::Relaxed) || has_reached;
        let again = ((has_reached || is_met) && !error.is_builder()).then_some(None);
        Failed { error: self.unreachable(error.without_url().into()), again }
    }
}

fn retry_after(response: &Response) -> Option<Duration> {
    let status = response.status();
    if status != StatusCode::TOO_MANY_REQUESTS && status != StatusCode::SERVICE_UNAVAILABLE {
        return None;
    }
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_is_not_repeated() {
        let refused = |server, key| Client::new(server, key).err().expect("refused").to_string();
        for told in [
            refused("http://user:hush@localhost:1", None),
            refused("http://hush@localhost:1", None),
            refused("http://localhost:1", Some("hush\n")),
        ] {
            assert!(!told.contains("hush"), "{told}");
        }
    }
}

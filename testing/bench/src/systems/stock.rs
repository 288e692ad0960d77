//! A storage that holds tasks which have ended. It is filled by the storage's own crate, which is faster than running so many tasks; each is as
//! large as one of a few events.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use domain::{
    AgentOptions, Ending, Fingerprint, Labels, Outcome, PermissionMode, Policy, Principal, Progress,
    Schedule, SessionChoice, TaskId, TaskOptions, TaskSpec, Timestamp,
};
use futures_util::future::try_join_all;
use store::{BatchBuilder, Claim, Claimed, CoreSettings, EventBatch, Finish, Release, Store, Submit};
use store_redis::{RedisSettings, RedisStore};
use store_sqlite::{SqliteOptions, SqliteStore, Sync};
use tempfile::TempDir;
use testing::RedisServer;

use super::Storage;

const AT_ONCE: usize = 200;
const EVENTS: u64 = 6;
const TEXT_BYTES: usize = 400;

/// A storage that was filled.
pub(crate) struct Stock {
    folder: TempDir,
    redis: Option<Arc<RedisServer>>,
}

impl Stock {
    /// Fills one.
    pub(crate) async fn fill(storage: Storage, tasks: usize) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut redis = None;
        match storage {
            Storage::Memory => bail!("memory keeps nothing"),
            Storage::Sqlite => {
                let (path, settings) = (database(folder.path()), CoreSettings::default());
                let store = SqliteStore::open(SqliteOptions { path, sync: Sync::Normal, settings })?;
                fill(&store, tasks).await?;
                store.close();
            }
            Storage::Redis => {
                let server = Arc::new(RedisServer::start_synced("everysec").await);
                let settings = RedisSettings { url: Some(server.url().into()), ..RedisSettings::default() };
                let store = RedisStore::open(settings).await?;
                fill(&store, tasks).await?;
                store.close().await?;
                redis = Some(server);
            }
        }
        Ok(Self { folder, redis })
    }

    /// The server's data folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The Redis that holds them.
    pub(crate) fn redis(&self) -> Option<Arc<RedisServer>> {
        self.redis.clone()
    }
}

fn database(folder: &Path) -> PathBuf {
    folder.join("tasks.sqlite")
}

async fn fill(store: &dyn Store, tasks: usize) -> Result<()> {
    for first in (0..tasks).step_by(AT_ONCE) {
        let numbers = first..tasks.min(first + AT_ONCE);
        let submissions = numbers.clone().map(submission).collect::<Result<Vec<_>>>()?;
        try_join_all(submissions.into_iter().map(|submission| store.submit(submission))).await?;
        let claims = numbers.map(|number| store.claim(number as u64, now()));
        let claims = try_join_all(claims).await?.into_iter().map(claimed).collect::<Result<Vec<_>>>()?;
        try_join_all(claims.iter().map(|claimed| store.finish(finish(claimed)))).await?;
        try_join_all(claims.iter().map(|claimed| store.release(release(claimed)))).await?;
    }
    Ok(())
}

fn now() -> Timestamp {
    Timestamp::from_millis(chrono::Utc::now().timestamp_millis())
}

fn claimed(claim: Claim) -> Result<Claimed> {
    match claim {
        Claim::Task(claimed) => Ok(*claimed),
        _ => bail!("no task waits, though some were submitted"),
    }
}

fn submission(number: usize) -> Result<Submit> {
    let id = format!("stored-{number}");
    let spec = TaskSpec {
        task_id: TaskId::parse(&id).ok().context("an id that is none")?,
        fingerprint: Fingerprint([0; 32]),
        principal: Principal::default(),
        prompt: "Fix the tests of the parser, and say what was wrong with them.".into(),
        workspace: "/workspaces/shared".into(),
        working_directory: "/workspaces/shared".into(),
        options: TaskOptions {
            allowed_tools: ["Read", "Write", "Edit", "Bash"].map(str::to_owned).into(),
            permission_mode: PermissionMode::AcceptEdits,
            max_turns: Some(50),
            timeout: Duration::from_secs(3600),
            model: None,
            max_budget_usd: None,
            agent: AgentOptions::default(),
        },
        session: SessionChoice::New,
        schedule: Schedule::default(),
        policy: Policy::default(),
        labels: Labels::default(),
        metadata: None,
        trace_parent: None,
    };
    Ok(Submit { spec, max_pending: 2 * AT_ONCE, max_at_work: 0, now: now() })
}

/// A few events of the usual size.
fn events() -> EventBatch {
    let mut builder = BatchBuilder::new(1);
    let (now, text) = (now(), "x".repeat(TEXT_BYTES));
    for seq in 1..=EVENTS {
        let event =
            format!(r#"{{"type":"message","timestamp":"{now}","seq":{seq},"data":{{"content":"{text}"}}}}"#);
        builder.push(|bytes| bytes.extend_from_slice(event.as_bytes()));
    }
    builder.take()
}

fn finish(claimed: &Claimed) -> Finish {
    Finish {
        task_id: claimed.task.spec.task_id.clone(),
        token: Some(claimed.token),
        events: events(),
        progress: Progress::default(),
        outcome: Outcome {
            ending: Ending::Completed,
            summary: "done".into(),
            errors: vec![],
            total_cost_usd: 0.0,
        },
        now: now(),
    }
}

fn release(claimed: &Claimed) -> Release {
    Release {
        session_id: claimed.task.session_id.clone(),
        token: claimed.token,
        conversation: None,
        now: now(),
    }
}

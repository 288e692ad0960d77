//! What every example needs: where the CLI is, who pays, and a folder to work in.

use std::path::PathBuf;

use agent::claude::{ClaudeConfig, ClaudeLauncher, ClaudeOptions, Credential, Environment, locate};
use agent::{AgentEvent, Events, Statement, TurnEnd};
use anyhow::{Context, bail};
use process::{CgroupLimits, Limits, Owner};

/// A launcher that uses `ANTHROPIC_API_KEY` and, when it is set, `ANTHROPIC_BASE_URL`. The CLI is the one of
/// `CLAUDE_CLI_PATH`, the project's pinned one or the one on `PATH`; its files go below `EXAMPLE_DATA_DIR`.
pub(crate) fn launcher() -> anyhow::Result<ClaudeLauncher> {
    let variable = |name: &str| std::env::var(name).ok();
    let key = variable("ANTHROPIC_API_KEY").context("set ANTHROPIC_API_KEY")?;
    let data = variable("EXAMPLE_DATA_DIR")
        .map_or_else(|| std::env::temp_dir().join("agent-examples"), PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let configured = std::env::var_os("CLAUDE_CLI_PATH").map(PathBuf::from);
    Ok(ClaudeLauncher::new(ClaudeConfig {
        program: locate(configured.as_deref(), &[PathBuf::from(env!("CARGO_MANIFEST_DIR"))], &path)?,
        environment: Environment {
            credential: Credential::ApiKey(key.into()),
            base_url: variable("ANTHROPIC_BASE_URL"),
            agents: data,
            path,
        },
        gateway: None,
        setting_sources: vec![],
        owner: Owner::new("agent-examples")?,
        cgroups: None,
        group_limits: CgroupLimits::default(),
        limits: Limits::default(),
    }))
}

/// An agent that works in the current folder.
pub(crate) fn options() -> anyhow::Result<ClaudeOptions> {
    let working_directory = std::env::current_dir()?.canonicalize()?;
    Ok(ClaudeOptions { working_directory, ..ClaudeOptions::default() })
}

/// Prints what the agent says and does until its turn has ended.
pub(crate) async fn show_turn(events: &mut Events) -> anyhow::Result<TurnEnd> {
    loop {
        let batch = events.batch(64).await;
        if batch.is_empty() {
            bail!("the agent is gone");
        }
        for event in batch {
            match event {
                AgentEvent::Said(said) => show(&said.statement),
                AgentEvent::TurnEnded(end) => return Ok(end),
                AgentEvent::Unusable(reason) => bail!(reason),
                AgentEvent::Exited(exit) => bail!("the agent ended: {}", exit.stderr_tail),
                _ => {}
            }
        }
    }
}

fn show(statement: &Statement) {
    match statement {
        Statement::Text { content, .. } => println!("text: {content}"),
        Statement::ToolUse { name, input, .. } => println!("call: {name} {input}"),
        Statement::ToolResult { name, content, is_error: false, .. } => println!("result: {name}: {content}"),
        Statement::ToolResult { name, content, .. } => println!("refused: {name}: {content}"),
        _ => {}
    }
}

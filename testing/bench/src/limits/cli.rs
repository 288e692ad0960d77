//! The real CLI by itself: from its start until it is ready, and from a prompt until its model is asked.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use scripted_model::{Options, ScriptedModel};
use serde_json::{Value, json};
use tempfile::TempDir;
use testing::pinned_cli;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::figure::Spec;
use crate::measures::Scale;
use crate::run::Samples;
use crate::statistics::median;

const READY: Spec = Spec::time("cli_own_ready", "the CLI alone: start until ready", "ms");
const COLD: Spec = Spec::time("cli_own_cold", "the CLI alone: start until its model is asked", "ms");
const FRESH: Spec = Spec::time("cli_own_fresh", "the CLI alone: first prompt until its model is asked", "ms");
const WARM: Spec = Spec::time("cli_own_warm", "the CLI alone: third prompt until its model is asked", "ms");
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

const ARGUMENTS: [&str; 6] = [
    "--output-format=stream-json",
    "--input-format=stream-json",
    "--verbose",
    "--permission-prompt-tool=stdio",
    "--setting-sources=",
    "--strict-mcp-config",
];

pub(crate) async fn measure(scale: Scale) -> Result<Samples> {
    let model = ScriptedModel::start(Options::default()).await?;
    let mut rows: [Vec<f64>; 4] = Default::default();
    once(&model, "unmeasured").await?;
    for number in 0..scale.of(5, 1) {
        let times = once(&model, &format!("run {number}")).await?;
        rows.iter_mut().zip(times).for_each(|(row, time)| row.push(time));
    }
    let mut samples = Samples::default();
    for (spec, row) in [&READY, &COLD, &FRESH, &WARM].into_iter().zip(&rows) {
        samples.add(spec, median(row).context("no run")?);
    }
    model.shutdown().await;
    Ok(samples)
}

/// A CLI that runs.
struct Cli {
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    _child: Child,
    _folder: TempDir,
}

impl Cli {
    fn start(model: &ScriptedModel) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut child = Command::new(pinned_cli())
            .args(ARGUMENTS)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", folder.path())
            .env("CLAUDE_CONFIG_DIR", folder.path().join("config"))
            .env("ANTHROPIC_API_KEY", "dummy")
            .env("ANTHROPIC_BASE_URL", model.base_url())
            .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
            .env("DISABLE_AUTOUPDATER", "1")
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let stdin = child.stdin.take().context("no stdin")?;
        let lines = BufReader::new(child.stdout.take().context("no stdout")?).lines();
        Ok(Self { stdin, lines, _child: child, _folder: folder })
    }

    async fn write(&mut self, line: Value) -> Result<()> {
        Ok(self.stdin.write_all(format!("{line}\n").as_bytes()).await?)
    }

    async fn until(&mut self, kind: &str) -> Result<()> {
        let reading = async {
            while let Some(line) = self.lines.next_line().await? {
                if serde_json::from_str::<Value>(&line)?["type"] == json!(kind) {
                    return Ok(());
                }
            }
            bail!("the CLI ended before its {kind}")
        };
        timeout(ANSWER_WITHIN, reading).await.with_context(|| format!("no {kind}"))?
    }

    /// Has a prompt answered; gives when it was written and when the model was asked.
    async fn prompt(&mut self, model: &ScriptedModel, text: &str) -> Result<[Instant; 2]> {
        let written = Instant::now();
        let message = json!({"role": "user", "content": format!("[[say {text}]]")});
        self.write(json!({"type": "user", "message": message})).await?;
        let asked = model
            .wait_for_request(|request| request.last_user_text.contains(text) && !request.tools.is_empty());
        let asked = timeout(ANSWER_WITHIN, asked).await.context("the model was not asked")?;
        self.until("result").await?;
        Ok([written, asked.at])
    }
}

/// Milliseconds: until ready, until the model is asked since the start, since the first prompt, and since the third one.
async fn once(model: &ScriptedModel, name: &str) -> Result<[f64; 4]> {
    let began = Instant::now();
    let mut cli = Cli::start(model)?;
    let request = json!({"subtype": "initialize"});
    cli.write(json!({"type": "control_request", "request_id": "ready", "request": request})).await?;
    cli.until("control_response").await?;
    let ready = Instant::now();
    let [first, asked] = cli.prompt(model, &format!("{name} one")).await?;
    cli.prompt(model, &format!("{name} two")).await?;
    let [third, asked_third] = cli.prompt(model, &format!("{name} three")).await?;
    let spans = [(began, ready), (began, asked), (first, asked), (third, asked_third)];
    Ok(spans.map(|(from, to)| to.duration_since(from).as_secs_f64() * 1e3))
}

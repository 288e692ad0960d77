//! By the CLI itself, as a child that ends with its task: `claude -p`, the way before there was a server.

mod environment;
mod frames;
mod guard;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use claude_protocol::{Frame, Line as OutputLine, LineSplitter, TurnResult, WireUsage, decode};
use client::readable::{Line, Tone};
use process::{Child, Exit, Ladder, Life, Limits, Spec};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::environment::environment;
use self::guard::Guard;
use super::{AgentOptions, Execution, NotBegun};
use crate::jobs::Job;
use crate::owner;
use crate::screen::Reporter;
use crate::summary::{COMPLETED, FAILED, INTERRUPTED, TIMED_OUT, TokenUsage};

/// After SIGINT, the CLI tells what the turn has cost within two seconds, as a rule.
const LADDER: Ladder = Ladder { exit_grace: Duration::from_secs(5), term_grace: Duration::from_secs(2) };
/// What holds where the caller says nothing: as the server has it.
const DEFAULT_TOOLS: [&str; 4] = ["Read", "Write", "Edit", "Bash"];
const DEFAULT_MODE: &str = "acceptEdits";
const DEFAULT_TURNS: u32 = 50;
const READ_BYTES: usize = 64 * 1024;

/// A CLI to run.
#[derive(Debug, Clone)]
pub(crate) struct Cli {
    /// Its binary.
    pub(crate) program: PathBuf,
    /// Further variables of this environment that it is to have.
    pub(crate) pass_env: Vec<String>,
}

impl Cli {
    /// The configured CLI, else `claude` on the PATH.
    pub(crate) fn find(configured: Option<&Path>, pass_env: &[String]) -> Result<Self, NotBegun> {
        let is_program = |path: &PathBuf| {
            path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
        };
        let program = if let Some(path) = configured {
            let absolute = std::path::absolute(path).ok().filter(is_program);
            absolute.ok_or_else(|| {
                let path = path.display();
                NotBegun(format!("--cli {path} (or CLAUDE_CLI_PATH) is not an executable file: correct it"))
            })?
        } else {
            let folders = std::env::var_os("PATH").unwrap_or_default();
            let mut found = std::env::split_paths(&folders).map(|folder| folder.join("claude"));
            found.find(is_program).ok_or_else(|| {
                let remedy = "install it (npm install -g @anthropic-ai/claude-code), or name it with --cli";
                NotBegun(format!("the Claude Code CLI is not on the PATH: {remedy}"))
            })?
        };
        Ok(Self { program, pass_env: pass_env.to_vec() })
    }
}

/// Why the CLI was told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    Stopped,
    TimedOut,
}

/// Runs the CLI to its end. A stop, or the time being up, interrupts it.
pub(crate) async fn run(
    cli: &Cli,
    job: &Job,
    workspace: &Path,
    options: &AgentOptions,
    stop: &CancellationToken,
    reporter: &mut Reporter,
) -> Result<Execution, NotBegun> {
    let spec = Spec {
        program: cli.program.clone(),
        args: arguments(options),
        env: environment(workspace, &cli.pass_env, |name| std::env::var_os(name)),
        cwd: workspace.to_owned(),
        owner: owner().map_err(|error| NotBegun(error.to_string()))?,
        limits: Limits::default(),
        cgroup: None,
    };
    let unguarded =
        |why: String| NotBegun(format!("nobody would end the CLI if the worker were killed: {why}"));
    let mut guard = Guard::start().await.map_err(unguarded)?;
    let Child { mut stdin, stdout, life } =
        process::spawn(spec).await.map_err(|error| NotBegun(error.to_string()))?;
    guard.watch(life.pid()).await.map_err(unguarded)?;
    let prompt = job.prompt.clone();
    // A CLI that ends at once does not take it; what it then says is the fault to be told.
    let told = async move {
        drop(stdin.write_all(prompt.as_bytes()).await);
    };
    let mut reading = Reading { stdout, splitter: LineSplitter::default(), told: Told::default() };
    let ((), cut) = tokio::join!(told, attend(&life, job.timeout, stop, reading.read_all(&life, reporter)));
    let exit = life.exited().await;
    guard.dismiss().await;
    life.ended().await;
    Ok(execution(&reading.told, exit, cut, &life.stderr_tail()))
}

/// Lets the output be read to its end, and ends the CLI when it is time. Says why it did.
async fn attend(
    life: &Life,
    timeout: u64,
    stop: &CancellationToken,
    reading: impl Future<Output = ()>,
) -> Option<Cut> {
    let mut reading = std::pin::pin!(reading);
    let cut = tokio::select! {
        () = &mut reading => return None,
        () = stop.cancelled() => Cut::Stopped,
        () = sleep(Duration::from_secs(timeout)) => Cut::TimedOut,
    };
    // What Ctrl-C is to the CLI: it stops the turn and says what that has cost. One that is gone needs no signal.
    if let Some(pid) = i32::try_from(life.pid()).ok().and_then(Pid::from_raw)
        && life.try_exited().is_none()
    {
        kill_process(pid, Signal::INT).ok();
    }
    tokio::join!(reading, life.stop(LADDER));
    Some(cut)
}

fn arguments(options: &AgentOptions) -> Vec<OsString> {
    let tools = match &options.allowed_tools {
        Some(tools) => tools.join(","),
        None => DEFAULT_TOOLS.join(","),
    };
    let mode = options.permission_mode.map_or(DEFAULT_MODE, domain::PermissionMode::as_str);
    let mut arguments = vec![
        "--print".to_owned(),
        "--output-format=stream-json".to_owned(),
        "--verbose".to_owned(),
        format!("--permission-mode={mode}"),
        format!("--allowedTools={tools}"),
        format!("--max-turns={}", options.max_turns.unwrap_or(DEFAULT_TURNS)),
    ];
    arguments.extend(options.model.iter().map(|model| format!("--model={model}")));
    arguments.into_iter().map(Into::into).collect()
}

/// What the CLI has told of its work.
#[derive(Default)]
struct Told {
    result: Option<Box<TurnResult>>,
    session_id: Option<Uuid>,
    /// What each answer of the model began with, by its id: all there is when no result comes, as after an interrupt in the
    /// first moment of a tool call.
    answers: BTreeMap<String, WireUsage>,
}

struct Reading {
    stdout: tokio::process::ChildStdout,
    splitter: LineSplitter,
    told: Told,
}

impl Reading {
    async fn read_all(&mut self, life: &Life, reporter: &mut Reporter) {
        loop {
            // Else a read would take no more than the buffer happens to have room for.
            self.splitter.buffer().reserve(READ_BYTES);
            let read = tokio::select! {
                read = self.stdout.read_buf(self.splitter.buffer()) => read,
                // Somebody out of reach holds the pipe open: its end never comes.
                () = life.drain_deadline() => Ok(0),
            };
            while let Some(line) = self.splitter.next_line() {
                self.take(line, reporter);
            }
            // An end, or a pipe that cannot be read any more.
            if read.unwrap_or(0) == 0 {
                break;
            }
        }
        if let Some(line) = std::mem::take(&mut self.splitter).finish() {
            self.take(line, reporter);
        }
    }

    fn take(&mut self, line: OutputLine, reporter: &mut Reporter) {
        match line {
            OutputLine::Whole(bytes) | OutputLine::Torn(bytes) => self.frame(&bytes, reporter),
            OutputLine::Overlong(length) => {
                let text = format!("a line of {length} bytes was too long to be kept");
                reporter.line(&Line::new("note", Tone::Note, text));
            }
        }
    }

    fn frame(&mut self, bytes: &Bytes, reporter: &mut Reporter) {
        match decode(bytes) {
            Frame::NotJson => {
                reporter.line(&Line::new("note", Tone::Note, String::from_utf8_lossy(bytes)));
            }
            frame => {
                reporter.raw(bytes, &frames::lines(&frame));
                self.told.take(frame);
            }
        }
    }
}

impl Told {
    fn take(&mut self, frame: Frame) {
        match frame {
            Frame::Result(result) => self.result = Some(result),
            Frame::Assistant(message) => {
                self.session_id = message.session_id.or(self.session_id);
                if let Some(usage) = message.usage {
                    self.answers.insert(message.message_id, usage);
                }
            }
            _ => {}
        }
    }

    fn tokens(&self) -> TokenUsage {
        let Some(result) = &self.result else {
            return tokens(self.answers.values().map(|usage| {
                let cached = usage.cache_read_input_tokens + usage.cache_creation_input_tokens;
                (usage.input_tokens + cached, usage.output_tokens)
            }));
        };
        tokens(result.model_usage.values().map(|usage| {
            let cached = usage.cache_read_input_tokens + usage.cache_creation_input_tokens;
            (usage.input_tokens + cached, usage.output_tokens)
        }))
    }
}

fn execution(told: &Told, exit: Exit, cut: Option<Cut>, stderr: &str) -> Execution {
    let result = told.result.as_deref();
    let mut errors = Vec::new();
    let has_failed = result.is_none_or(|result| result.is_error) || exit.code != Some(0);
    let exit_code = match cut {
        Some(Cut::Stopped) => INTERRUPTED,
        Some(Cut::TimedOut) => TIMED_OUT,
        None if has_failed => FAILED,
        None => COMPLETED,
    };
    match (cut, result) {
        (Some(Cut::Stopped), _) => errors.push("interrupted".to_owned()),
        (Some(Cut::TimedOut), _) => errors.push("out of time".to_owned()),
        (None, Some(result)) if result.is_error => errors.extend(faults(result)),
        (None, Some(_)) if has_failed => {
            errors.push(format!("the CLI ended with exit code {:?}, signal {:?}", exit.code, exit.signal));
        }
        (None, Some(_)) => {}
        (None, None) => {
            let ended = format!(
                "the CLI ended without a result (exit code {:?}, signal {:?})",
                exit.code, exit.signal
            );
            errors.extend([ended, stderr.trim().to_owned()].into_iter().filter(|text| !text.is_empty()));
        }
    }
    if cut.is_some() && result.is_none() {
        errors.push("the CLI did not say what it has cost: of its tokens, only those are known that its answers began with".to_owned());
    }
    Execution {
        exit_code,
        tokens: told.tokens(),
        total_cost_usd: result.map_or(0.0, |result| result.total_cost_usd),
        summary: result.and_then(|result| result.result.clone()).unwrap_or_default(),
        errors,
        task_id: None,
        session_id: told.session_id.map(|id| id.to_string()),
    }
}

fn faults(result: &TurnResult) -> Vec<String> {
    if !result.errors.is_empty() {
        return result.errors.clone();
    }
    vec![result.result.clone().unwrap_or_else(|| result.subtype.clone())]
}

/// The sum of input and output.
fn tokens(usage: impl Iterator<Item = (u64, u64)>) -> TokenUsage {
    let (input, output) = usage.fold((0, 0), |(input, output), more| (input + more.0, output + more.1));
    TokenUsage { total: input + output, input, output }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] = br#"{"type":"assistant","session_id":"00000000-0000-0000-0000-000000000007",
        "message":{"id":"m1","model":"x","content":[],"usage":{"input_tokens":2,"cache_read_input_tokens":30,"output_tokens":1}}}"#;
    const RESULT: &[u8] = br#"{"type":"result","subtype":"success","is_error":false,"result":"Done.","total_cost_usd":0.5,
        "modelUsage":{"x":{"inputTokens":2,"outputTokens":40,"cacheReadInputTokens":30,"cacheCreationInputTokens":5},
        "y":{"inputTokens":1,"outputTokens":1}}}"#;
    const FAILURE: &[u8] =
        br#"{"type":"result","subtype":"success","is_error":true,"result":"API Error: 400"}"#;

    fn ended(lines: &[&[u8]], code: i32, cut: Option<Cut>) -> (u8, (u64, u64), String, usize) {
        let mut told = Told::default();
        for line in lines {
            told.take(decode(line));
        }
        let execution = execution(&told, Exit { code: Some(code), signal: None }, cut, "stderr\n");
        let TokenUsage { total, input, output } = execution.tokens;
        assert_eq!(total, input + output);
        (execution.exit_code, (input, output), execution.summary, execution.errors.len())
    }

    #[test]
    fn the_result_says_what_it_cost_and_answers_do_where_there_is_none() {
        assert_eq!(ended(&[ANSWER, RESULT], 0, None), (0, (38, 41), "Done.".into(), 0));
        assert_eq!(ended(&[ANSWER, RESULT], 0, Some(Cut::Stopped)), (130, (38, 41), "Done.".into(), 1));
        assert_eq!(ended(&[ANSWER, ANSWER], 143, Some(Cut::TimedOut)), (124, (32, 1), String::new(), 2));
    }

    #[test]
    fn no_result_a_failure_and_an_exit_code_are_failures() {
        assert_eq!(ended(&[], 0, None), (1, (0, 0), String::new(), 2));
        assert_eq!(ended(&[FAILURE], 1, None), (1, (0, 0), "API Error: 400".into(), 1));
        assert_eq!(ended(&[RESULT], 1, None), (1, (38, 41), "Done.".into(), 1));
    }
}

//! Begins a process and waits for the first line that it writes.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::figure::Spec;
use crate::measures::Scale;
use crate::run::Samples;
use crate::statistics::median;

const SPAWN: Spec = Spec::time("spawn", "fork, exec and a line through the pipes of `cat`, p50", "ms");

pub(crate) fn measure(scale: Scale) -> Result<Samples> {
    let times = (0..scale.of(200, 10)).map(|_| once()).collect::<Result<Vec<_>>>()?;
    let mut samples = Samples::default();
    samples.add(&SPAWN, median(&times).context("no process")?);
    Ok(samples)
}

fn once() -> Result<f64> {
    let began = Instant::now();
    let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    child.stdin.take().context("no stdin")?.write_all(b"here\n")?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("no stdout")?).read_line(&mut line)?;
    let took = began.elapsed().as_secs_f64() * 1e3;
    child.wait()?;
    ensure!(line == "here\n", "{line:?} came back");
    Ok(took)
}

//! Appends to a file: what a log without an index can take. Nothing is synced, as SQLite syncs nothing between its checkpoints.

use std::fs::OpenOptions;
use std::io::Write;
use std::time::Instant;

use anyhow::{Result, ensure};

use super::{EVENT_BYTES, pipe::lines};
use crate::figure::Spec;
use crate::measures::Scale;
use crate::run::Samples;

const APPEND: Spec = Spec::rate("append_100", "append to a file, 100 events a write", "events/s");
const A_WRITE: usize = 100;

pub(crate) fn measure(scale: Scale) -> Result<Samples> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("events");
    let mut file = OpenOptions::new().append(true).create(true).open(&path)?;
    let (block, events) = (lines(A_WRITE), scale.of(500_000, 1_000));
    let began = Instant::now();
    for _ in 0..events / A_WRITE {
        file.write_all(&block)?;
    }
    let took = began.elapsed().as_secs_f64();
    let length = path.metadata()?.len();
    ensure!(length == (events * EVENT_BYTES) as u64, "{length} bytes are there");
    let mut samples = Samples::default();
    samples.add(&APPEND, events as f64 / took);
    Ok(samples)
}

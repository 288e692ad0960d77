//! A pipe alone: one thread writes events, one counts their line feeds.

use std::io::{Read, Write};
use std::time::Instant;

use anyhow::{Result, anyhow, ensure};

use super::EVENT_BYTES;
use crate::figure::Spec;
use crate::measures::Scale;
use crate::run::Samples;

const ONE: Spec = Spec::rate("pipe_1", "pipe alone, one event a write", "events/s");
const MANY: Spec = Spec::rate("pipe_64", "pipe alone, 64 events a write", "events/s");
const BUFFER: usize = 64 * 1024;

/// Lines of an event's size.
pub(crate) fn lines(count: usize) -> Vec<u8> {
    let mut line = vec![b'x'; EVENT_BYTES - 1];
    line.push(b'\n');
    line.repeat(count)
}

pub(crate) fn measure(scale: Scale) -> Result<Samples> {
    let mut samples = Samples::default();
    samples.add(&ONE, rate(scale.of(1_000_000, 10_000), 1)?);
    samples.add(&MANY, rate(scale.of(2_000_000, 20_000), 64)?);
    Ok(samples)
}

fn rate(events: usize, a_write: usize) -> Result<f64> {
    let (mut reader, mut writer) = std::io::pipe()?;
    let began = Instant::now();
    let writing = std::thread::spawn(move || {
        let block = lines(a_write);
        (0..events / a_write).try_for_each(|_| writer.write_all(&block))
    });
    let (mut buffer, mut seen) = (vec![0; BUFFER], 0);
    loop {
        let read = reader.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        seen += buffer.iter().take(read).filter(|byte| **byte == b'\n').count();
    }
    writing.join().map_err(|_| anyhow!("the writer panicked"))??;
    ensure!(seen == events / a_write * a_write, "{seen} of {events} events came");
    Ok(seen as f64 / began.elapsed().as_secs_f64())
}

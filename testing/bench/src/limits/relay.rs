//! The smallest relay from an agent's pipe to a WebSocket client: one thread that reads what there is, makes a frame of each line and
//! writes all of them at once. It keeps and converts nothing.

use std::io::{PipeReader, PipeWriter, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, ensure};
use rustix::time::{ClockId, clock_gettime};

use super::{EVENT_BYTES, frames, pipe::lines};
use crate::figure::Spec;
use crate::measures::Scale;
use crate::run::Samples;
use crate::statistics::quantile;

const ONE: Spec =
    Spec::rate("relay_events", "smallest relay, pipe to WebSocket, one event a write", "events/s")
        .per("pipe_1");
const MANY: Spec =
    Spec::rate("relay_events_64", "smallest relay, pipe to WebSocket, 64 events a write", "events/s")
        .per("pipe_64");
const CPU: Spec = Spec::time("relay_cpu_per_100k", "the relay's processor time per 100,000 events", "s");
const P50: Spec = Spec::time(
    "relay_latency_p50",
    "write to client through the smallest relay at 1,000 events/s, p50",
    "ms",
);
const P99: Spec =
    Spec::tail("relay_latency_p99", "write to client through the smallest relay at 1,000 events/s, p99");
const BUFFER: usize = 64 * 1024;
const TIME: usize = 19;
const BETWEEN: Duration = Duration::from_millis(1);

pub(crate) fn measure(scale: Scale) -> Result<Samples> {
    let mut samples = Samples::default();
    let events = scale.of(800_000, 10_000);
    let (rate, cpu) = full_speed(events, 1)?;
    samples.add(&ONE, rate);
    samples.add(&CPU, cpu * 1e5 / events as f64);
    samples.add(&MANY, full_speed(scale.of(1_600_000, 20_000), 64)?.0);
    let took = paced(scale.of(3_000, 300))?;
    samples.add(&P50, quantile(&took, 0.5).context("no events")?);
    samples.add(&P99, quantile(&took, 0.99).context("no events")?);
    Ok(samples)
}

/// A relay that runs; gives seconds of processor time in the end.
fn start() -> Result<(PipeWriter, TcpStream, JoinHandle<Result<f64>>)> {
    let (reader, writer) = std::io::pipe()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    let (socket, _) = listener.accept()?;
    socket.set_nodelay(true)?;
    Ok((writer, client, spawn(move || relay(reader, socket))))
}

fn relay(mut pipe: PipeReader, mut socket: TcpStream) -> Result<f64> {
    let (mut buffer, mut filled, mut batch) = (vec![0; BUFFER], 0, Vec::with_capacity(2 * BUFFER));
    loop {
        let read = pipe.read(buffer.get_mut(filled..).context("a line is too long")?)?;
        if read == 0 {
            let used = clock_gettime(ClockId::ThreadCPUTime);
            return Ok(used.tv_sec as f64 + used.tv_nsec as f64 / 1e9);
        }
        filled += read;
        let all = buffer.get(..filled).unwrap_or_default();
        let whole = all.iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1);
        batch.clear();
        all.split_at(whole)
            .0
            .split_inclusive(|byte| *byte == b'\n')
            .for_each(|line| frames::push(&mut batch, line));
        socket.write_all(&batch)?;
        buffer.copy_within(whole..filled, 0);
        filled -= whole;
    }
}

/// Reads to the end; gives the number of events.
fn receive(mut client: TcpStream, mut each: impl FnMut(&[u8])) -> Result<usize> {
    let (mut buffer, mut filled, mut seen) = (vec![0; BUFFER], 0, 0);
    loop {
        let read = client.read(buffer.get_mut(filled..).context("a frame is too long")?)?;
        if read == 0 {
            return Ok(seen);
        }
        filled += read;
        let used = frames::take(buffer.get(..filled).unwrap_or_default(), |event| {
            seen += 1;
            each(event);
        });
        buffer.copy_within(used..filled, 0);
        filled -= used;
    }
}

/// Events a second, and seconds of the relay's processor time.
fn full_speed(events: usize, a_write: usize) -> Result<(f64, f64)> {
    let (mut writer, client, relaying) = start()?;
    let began = Instant::now();
    let writing = spawn(move || {
        let block = lines(a_write);
        (0..events / a_write).try_for_each(|_| writer.write_all(&block))
    });
    let seen = receive(client, |_| {})?;
    let rate = seen as f64 / began.elapsed().as_secs_f64();
    writing.join().map_err(|_| anyhow!("the writer panicked"))??;
    ensure!(seen == events / a_write * a_write, "{seen} of {events} events came");
    Ok((rate, relaying.join().map_err(|_| anyhow!("the relay panicked"))??))
}

/// Milliseconds from write to client, of events that come one a millisecond.
fn paced(events: usize) -> Result<Vec<f64>> {
    let (mut writer, client, relaying) = start()?;
    let writing = spawn(move || {
        let began = Instant::now();
        for number in 0..u32::try_from(events)? {
            sleep((BETWEEN * number).saturating_sub(began.elapsed()));
            let line = format!("{:019}{}\n", now()?, "x".repeat(EVENT_BYTES - TIME - 1));
            writer.write_all(line.as_bytes())?;
        }
        anyhow::Ok(())
    });
    let mut took = Vec::new();
    let each = |event: &[u8]| {
        let digits = event.get(..TIME).and_then(|digits| std::str::from_utf8(digits).ok());
        let written: Option<u64> = digits.and_then(|digits| digits.parse().ok());
        took.extend(written.zip(now().ok()).map(|(written, now)| now.saturating_sub(written) as f64 / 1e6));
    };
    let seen = receive(client, each)?;
    writing.join().map_err(|_| anyhow!("the writer panicked"))??;
    relaying.join().map_err(|_| anyhow!("the relay panicked"))??;
    ensure!(seen == events && took.len() == events, "{seen} of {events} events came");
    Ok(took)
}

/// Nanoseconds since 1970.
fn now() -> Result<u64> {
    Ok(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos())?)
}

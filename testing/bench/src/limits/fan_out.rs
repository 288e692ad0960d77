//! One encoding of events, shared by all: a batch of frames that is written to each of many sockets.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::{EVENT_BYTES, frames};
use crate::figure::Spec;
use crate::measures::Scale;
use crate::run::Samples;

/// Frames in a batch.
const BATCH: usize = 128;
const BUFFER: usize = 64 * 1024;

static CROWDS: [(Spec, usize, usize); 4] = [
    (Spec::rate("fan_out_limit_1", "one shared encoding to 1 WebSocket client", "events/s"), 1, 1_000_000),
    (Spec::rate("fan_out_limit_10", "one shared encoding to 10 WebSocket clients", "events/s"), 10, 150_000),
    (
        Spec::rate("fan_out_limit_100", "one shared encoding to 100 WebSocket clients", "events/s"),
        100,
        20_000,
    ),
    (Spec::rate("fan_out_limit_500", "one shared encoding to 500 WebSocket clients", "events/s"), 500, 4_000),
];

pub(crate) async fn measure(scale: Scale) -> Result<Samples> {
    let mut samples = Samples::default();
    for (spec, clients, events) in &CROWDS {
        let (clients, batches) = (scale.of(*clients, (*clients).min(20)), scale.of(*events, 1_000) / BATCH);
        samples.add(spec, rate(clients, batches).await?);
    }
    Ok(samples)
}

async fn rate(clients: usize, batches: usize) -> Result<f64> {
    let mut batch = Vec::new();
    (0..BATCH).for_each(|_| frames::push(&mut batch, &[b'x'; EVENT_BYTES]));
    let batch: Arc<[u8]> = batch.into();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let (mut sockets, mut receiving) = (Vec::new(), JoinSet::new());
    for _ in 0..clients {
        receiving.spawn(receive(TcpStream::connect(listener.local_addr()?).await?));
        sockets.push(listener.accept().await?.0);
    }
    let began = Instant::now();
    let mut sending = JoinSet::new();
    for mut socket in sockets {
        let batch = Arc::clone(&batch);
        sending.spawn(async move {
            for _ in 0..batches {
                socket.write_all(&batch).await?;
            }
            anyhow::Ok(())
        });
    }
    sending.join_all().await.into_iter().collect::<Result<()>>()?;
    let seen = receiving.join_all().await.into_iter().collect::<Result<Vec<_>>>()?;
    let took = began.elapsed().as_secs_f64();
    ensure!(seen.iter().all(|seen| *seen == batches * BATCH), "not all events came: {seen:?}");
    Ok((clients * batches * BATCH) as f64 / took)
}

/// Counts events to the end.
async fn receive(mut client: TcpStream) -> Result<usize> {
    let (mut buffer, mut filled, mut seen) = (vec![0; BUFFER], 0, 0);
    loop {
        let read = client.read(buffer.get_mut(filled..).context("a frame is too long")?).await?;
        if read == 0 {
            return Ok(seen);
        }
        filled += read;
        let used = frames::take(buffer.get(..filled).unwrap_or_default(), |_| seen += 1);
        buffer.copy_within(used..filled, 0);
        filled -= used;
    }
}

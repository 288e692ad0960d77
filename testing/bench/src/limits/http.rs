//! The smallest HTTP answer: a request that is not looked at, an answer that is always the same. The server has a thread of its own.

use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::figure::Spec;
use crate::measures::Scale;
use crate::run::Samples;
use crate::statistics::quantile;

const P50: Spec = Spec::time("http_answer_p50", "smallest HTTP answer, one connection, p50", "ms");
const P50_32: Spec = Spec::time("http_answer_p50_c32", "smallest HTTP answer, 32 connections, p50", "ms");
const P99_32: Spec = Spec::tail("http_answer_p99_c32", "smallest HTTP answer, 32 connections, p99");
const RATE: Spec = Spec::rate("http_rate", "smallest HTTP answers to 32 connections", "requests/s");

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
const END: &[u8] = b"\r\n\r\n";

pub(crate) async fn measure(scale: Scale) -> Result<Samples> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?.to_string();
    let (stop, stopped) = oneshot::channel();
    let server = std::thread::spawn(move || serve(listener, stopped));
    let mut samples = Samples::default();
    let (times, _) = ask(&address, 1, scale.of(20_000, 200)).await?;
    samples.add(&P50, quantile(&times, 0.5).context("no answer")?);
    let (times, rate) = ask(&address, 32, scale.of(3_000, 20)).await?;
    samples.add(&P50_32, quantile(&times, 0.5).context("no answer")?);
    samples.add(&P99_32, quantile(&times, 0.99).context("no answer")?);
    samples.add(&RATE, rate);
    drop(stop);
    server.join().map_err(|_| anyhow!("the server panicked"))??;
    Ok(samples)
}

/// Serves until it is told to stop.
fn serve(listener: std::net::TcpListener, stopped: oneshot::Receiver<()>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let serving = async {
        let listener = TcpListener::from_std(listener)?;
        loop {
            let (socket, _) = listener.accept().await?;
            socket.set_nodelay(true)?;
            tokio::spawn(answer(socket));
        }
    };
    runtime.block_on(async {
        tokio::select! {
            ended = serving => ended,
            _ = stopped => Ok(()),
        }
    })
}

async fn answer(mut socket: TcpStream) -> Result<()> {
    let (mut buffer, mut filled) = ([0; 1024], 0);
    loop {
        let read = socket.read(buffer.get_mut(filled..).context("a long request")?).await?;
        if read == 0 {
            return Ok(());
        }
        filled += read;
        // Who asks waits for the answer, so one request is there at most.
        if buffer.get(..filled).is_some_and(|request| request.ends_with(END)) {
            socket.write_all(ANSWER).await?;
            filled = 0;
        }
    }
}

/// Milliseconds of all requests, and how many a second.
async fn ask(address: &str, connections: usize, each: usize) -> Result<(Vec<f64>, f64)> {
    let mut asking = JoinSet::new();
    let began = Instant::now();
    for _ in 0..connections {
        let address = address.to_owned();
        asking.spawn(async move {
            let mut socket = TcpStream::connect(address).await?;
            socket.set_nodelay(true)?;
            let (mut times, mut buffer) = (Vec::with_capacity(each), [0; ANSWER.len()]);
            for _ in 0..each {
                let asked = Instant::now();
                socket.write_all(REQUEST).await?;
                socket.read_exact(&mut buffer).await?;
                times.push(asked.elapsed().as_secs_f64() * 1e3);
            }
            anyhow::Ok(times)
        });
    }
    let times = asking.join_all().await.into_iter().collect::<Result<Vec<_>>>()?.concat();
    Ok((times, (connections * each) as f64 / began.elapsed().as_secs_f64()))
}

//! What a line of the CLI costs, next to a full parse of it: time and allocations.
//! `cargo bench -p testing --bench decoder`
#![expect(clippy::expect_used, clippy::print_stdout, reason = "a measuring program")]

use std::fmt;
use std::hint::black_box;
use std::time::{Duration, Instant};

use claude_protocol::{Frame, decode};
use divan::counter::{BytesCount, ItemsCount};
use divan::{AllocProfiler, Bencher};
use mimalloc::MiMalloc;
use serde_json::Value;

/// The server's allocator, counted.
#[global_allocator]
static ALLOCATOR: AllocProfiler<MiMalloc> = AllocProfiler::new(MiMalloc);

/// Pairs of batches from which the ratio is taken.
const ROUNDS: usize = 101;
/// Long enough for the clock, short enough for both batches of a pair to meet the same machine.
const BATCH: Duration = Duration::from_millis(4);

/// As the CLI writes them, `TEXT` standing for what is said; the order of the keys is the CLI's own.
const TEXT_DELTA: &str = r#"{"type":"stream_event","event":{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":TEXT}},"session_id":"dd75bc73-ca7b-456a-94a0-2e1d5dca577f","parent_tool_use_id":null,"uuid":"06a82b10-8b84-44b2-b289-76ab74e19a76","api_message_id":"msg_dbf1414ae9ca46359f2705f4"}"#;
const ASSISTANT: &str = r#"{"type":"assistant","message":{"id":"msg_e1298ac55378496c84cea3fa","type":"message","role":"assistant","model":"claude-opus-5-5","content":[{"type":"text","text":TEXT}],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":12357,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},"output_tokens":1,"service_tier":"standard"},"context_management":null},"parent_tool_use_id":null,"session_id":"b8839236-dfa9-444c-bf1e-0db89a2d032e","uuid":"c08a128d-a930-4123-a242-6453f9b12cb2","timestamp":"2026-11-22T19:16:37.108Z","request_id":"req_e08320faca714f45b6d738ff"}"#;
/// A file that was read is sent twice: for the model and for programs.
const TOOL_RESULT: &str = r#"{"type":"user","message":{"role":"user","content":[{"tool_use_id":"toolu_9394cec610e04dfaa2b422a0","type":"tool_result","content":TEXT,"is_error":false}]},"parent_tool_use_id":null,"session_id":"b8839236-dfa9-444c-bf1e-0db89a2d032e","uuid":"45314c31-90cb-4a02-a416-50306a9d0661","timestamp":"2026-11-22T19:16:37.233Z","tool_use_result":{"type":"text","file":{"filePath":"a.rs","content":TEXT,"numLines":2000,"startLine":1,"totalLines":2000}}}"#;

/// A line with a name.
struct Line {
    name: &'static str,
    json: Vec<u8>,
}

impl Line {
    fn new(name: &'static str, template: &str, text: &str) -> Self {
        let text = serde_json::to_string(text).expect("a text is JSON");
        Self { name, json: template.replace("TEXT", &text).into_bytes() }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {} B", self.name, self.json.len())
    }
}

/// With what JSON has to escape, as prose and code have it.
fn lines() -> [Line; 3] {
    let prose = "The parser keeps \"quoted\" words, and\nthe line ends.\t".repeat(42);
    let code = "    let name = \"value\"; // a line of code\n".repeat(2110);
    [
        Line::new("text_delta", TEXT_DELTA, "tok0 "),
        Line::new("assistant", ASSISTANT, &prose),
        Line::new("tool_result", TOOL_RESULT, &code),
    ]
}

// The value is dropped inside what is measured: to let go of it is part of its cost.

fn decode_line(line: &[u8]) {
    drop(black_box(decode(black_box(line))));
}

fn parse_line(line: &[u8]) {
    drop(black_box(serde_json::from_slice::<Value>(black_box(line)).expect("JSON")));
}

fn measure(bencher: Bencher<'_, '_>, line: &Line, read: fn(&[u8])) {
    let counted = bencher.counter(ItemsCount::new(1_usize)).counter(BytesCount::new(line.json.len()));
    counted.bench_local(|| read(&line.json));
}

#[divan::bench(args = lines())]
fn frame(bencher: Bencher<'_, '_>, line: &Line) {
    measure(bencher, line, decode_line);
}

#[divan::bench(args = lines())]
fn whole_value(bencher: Bencher<'_, '_>, line: &Line) {
    measure(bencher, line, parse_line);
}

/// Nanoseconds a line, from one batch.
fn batch(line: &[u8], times: u32, read: fn(&[u8])) -> f64 {
    let start = Instant::now();
    for _ in 0..times {
        read(line);
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(times)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Both readers in turn, so that what else the machine does meets both.
fn compare(line: &Line) {
    let understood = !matches!(decode(&line.json), Frame::Unknown { .. } | Frame::NotJson);
    assert!(understood, "{line} is not what the CLI writes");
    let once = batch(&line.json, 100, parse_line);
    let times = (BATCH.as_secs_f64() * 1e9 / once).max(1.0) as u32;
    let pairs: Vec<_> = (0..ROUNDS)
        .map(|_| (batch(&line.json, times, decode_line), batch(&line.json, times, parse_line)))
        .collect();
    let (frame, value): (Vec<_>, Vec<_>) = pairs.iter().copied().unzip();
    let ratio = median(pairs.iter().map(|(frame, value)| value / frame).collect());
    let (frame, value) = (median(frame), median(value));
    let (name, per_second) = (line.to_string(), 1e9 / frame);
    println!("{name:<22} {frame:>9.0} {value:>9.0} {ratio:>12.2} {per_second:>9.0}");
}

fn main() {
    divan::main();
    println!("{:<22} {:>9} {:>9} {:>12} {:>9}", "line", "frame ns", "value ns", "value/frame", "frames/s");
    for line in lines() {
        compare(&line);
    }
}

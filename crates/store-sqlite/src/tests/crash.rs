//! The server is killed at any moment: what was answered is there.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;

use domain::TaskStatus;
use store::conformance::{NOW, finish, spec};
use store::{Claim, Store, Submit};

use super::*;

const ROUNDS: u64 = 20;
const THIS_TEST: &str = "tests::crash::nothing_that_was_answered_is_lost_when_the_server_is_killed";
const PATH: &str = "STORE_SQLITE_CRASH_TEST";

/// What the child says that it was told.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Answered {
    tail: u64,
    ended: bool,
}

/// Runs itself as the server that is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_answered_is_lost_when_the_server_is_killed() {
    if let (Ok(path), Ok(round)) = (std::env::var(PATH), std::env::var("ROUND")) {
        return serve(Path::new(&path), &round).await;
    }
    let place = Place::new();
    let mut answered = BTreeMap::new();
    let mut random = u64::from(std::process::id());
    for round in 0..ROUNDS {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let lines = 1 + (random >> 33) % 400;
        run_and_kill(&place, round, lines, &mut answered);
        let store = place.open();
        for (id, answered) in &answered {
            check(&store, id, *answered).await;
        }
    }
    assert!(answered.values().any(|answered| answered.ended) && answered.len() > 20);
}

async fn check(store: &SqliteStore, id: &str, answered: Answered) {
    let task = task(store, id).await.unwrap_or_else(|| unreachable!("{id} was admitted and is gone"));
    assert!(task.tail >= answered.tail, "{id} ends at {}, not at {}", task.tail, answered.tail);
    assert!(!answered.ended || task.status == TaskStatus::Completed, "{id} has ended: {task:?}");
    assert!(is_whole(&log(store, id).await, task.tail), "{id}");
}

/// Lets a child work until it has answered so much, kills it, and takes what it has answered.
fn run_and_kill(place: &Place, round: u64, lines: u64, answered: &mut BTreeMap<String, Answered>) {
    let mut child = Command::new(std::env::current_exe().expect("known"))
        .args(["--exact", "--nocapture", THIS_TEST])
        .env(PATH, place.database())
        .env("ROUND", round.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut output = BufReader::new(child.stdout.take().expect("piped"));
    let (mut line, mut read) = (String::new(), 0);
    while output.read_line(&mut line).expect("readable") > 0 {
        if let Some(said) = line.strip_suffix('\n').and_then(|line| line.strip_prefix("answered ")) {
            let mut words = said.split(' ');
            let id = words.next().expect("an id").to_owned();
            let tail: u64 = words.next().and_then(|tail| tail.parse().ok()).expect("a number");
            let ended = words.next() == Some("ended");
            let known = answered.entry(id).or_default();
            *known = Answered { tail: tail.max(known.tail), ended: ended || known.ended };
            read += 1;
        }
        if read == lines {
            child.kill().expect("killed");
        }
        line.clear();
    }
    child.wait().expect("ended");
    assert!(read >= lines, "the child ended by itself after {read} answers");
}

/// Works until it is killed.
async fn serve(path: &Path, round: &str) {
    let store = Arc::new(open(path).expect("opens"));
    end_leftovers(&store).await;
    say("");
    let workers = (0..4).map(|worker| tokio::spawn(work(Arc::clone(&store), format!("r{round}-w{worker}"))));
    for worker in workers.collect::<Vec<_>>() {
        worker.await.expect("no panic");
    }
}

fn say(line: &str) {
    let mut output = std::io::stdout().lock();
    output.write_all(format!("{line}\n").as_bytes()).and_then(|()| output.flush()).expect("read");
}

async fn work(store: Arc<SqliteStore>, name: String) {
    for number in 0.. {
        let spec = spec(&format!("{name}-{number}"));
        let submitted = store
            .submit(Submit { spec, max_pending: 1000, max_at_work: 0, now: NOW })
            .await
            .expect("admitted");
        say(&format!("answered {} 0", submitted.task.spec.task_id));
        let Claim::Task(claimed) = store.claim(store::conformance::ticket(), NOW).await.expect("available")
        else {
            continue;
        };
        let (id, mut tail) = (claimed.task.spec.task_id.clone(), claimed.task.tail);
        for size in [10, 3_000, 40_000] {
            store.append(append_sized(&claimed, tail + 1..=tail + 3, size)).await.expect("written");
            tail += 3;
            say(&format!("answered {id} {tail}"));
        }
        finish(&*store, &claimed, tail + 1).await;
        say(&format!("answered {id} {} ended", tail + 1));
    }
}

//! SQLite as the server has it (WAL, `synchronous=NORMAL`), a row an event.

use std::time::Instant;

use anyhow::{Result, ensure};
use rusqlite::Connection;

use crate::figure::Spec;
use crate::measures::Scale;
use crate::run::Samples;

const ROW_BYTES: usize = 1_024;

static RATES: [(Spec, usize, usize); 3] = [
    (Spec::rate("sqlite_1", "SQLite, rows of 1 KB, 1 a commit", "rows/s"), 1, 10_000),
    (Spec::rate("sqlite_100", "SQLite, rows of 1 KB, 100 a commit", "rows/s"), 100, 60_000),
    (Spec::rate("sqlite_1000", "SQLite, rows of 1 KB, 1,000 a commit", "rows/s"), 1_000, 100_000),
];

pub(crate) fn measure(scale: Scale) -> Result<Samples> {
    let mut samples = Samples::default();
    for (spec, a_commit, rows) in &RATES {
        samples.add(spec, rate(*a_commit, scale.of(*rows, *a_commit * 2))?);
    }
    Ok(samples)
}

fn rate(a_commit: usize, rows: usize) -> Result<f64> {
    let folder = tempfile::tempdir()?;
    let mut database = Connection::open(folder.path().join("rows.sqlite"))?;
    database.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    database.execute_batch(
        "PRAGMA synchronous = NORMAL; CREATE TABLE events (seq INTEGER PRIMARY KEY, bytes BLOB)",
    )?;
    let row = vec![b'x'; ROW_BYTES];
    let began = Instant::now();
    for _ in 0..rows / a_commit {
        let commit = database.transaction()?;
        let mut insert = commit.prepare_cached("INSERT INTO events (bytes) VALUES (?1)")?;
        for _ in 0..a_commit {
            insert.execute([&row])?;
        }
        drop(insert);
        commit.commit()?;
    }
    let took = began.elapsed().as_secs_f64();
    let count: i64 = database.query_row("SELECT count(*) FROM events", [], |row| row.get(0))?;
    ensure!(usize::try_from(count) == Ok(rows), "{count} of {rows} rows are there");
    Ok(rows as f64 / took)
}

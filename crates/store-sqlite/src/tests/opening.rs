//! Files that are not what they should be.

use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use domain::TaskSpec;
use rusqlite::{Connection, StatementStatus};
use store::CreateSession;
use store::conformance::{finish, session, spec, submit, submit_and_claim};

use super::*;
use crate::rows::task_query;
use crate::schema::VERSION;
use crate::{Condition, inspect};

fn refusal(path: &Path) -> OpenError {
    match open(path) {
        Ok(_) => unreachable!("it opened"),
        Err(error) => error,
    }
}

/// Changes a closed database.
fn change(path: &Path, sql: &str) {
    Connection::open(path).expect("opens").execute_batch(sql).expect("changed");
}

async fn with_tasks(place: &Place, tasks: usize) {
    let store = place.open();
    for task in 0..tasks {
        let spec = TaskSpec { prompt: "x".repeat(2_000), ..spec(&format!("t{task}")) };
        store.submit(submit(spec)).await.expect("admitted");
    }
}

#[tokio::test]
async fn one_server_at_a_time() {
    let place = Place::new();
    let store = place.open();
    let folder = place.folder.path().display();
    assert_eq!(
        refusal(&place.database()).to_string(),
        format!(
            "another server uses the data in {folder}: stop it first, or give this one a folder of its own"
        )
    );
    // A program that was started meanwhile lives on without the lock.
    let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("starts");
    drop(store);
    drop(place.open());
    drop(child.stdin.take());
    assert!(child.wait().expect("ends").success());
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_left_alone() {
    let place = Place::new();
    with_tasks(&place, 1).await;
    change(&place.database(), "PRAGMA user_version = 7");
    let before = std::fs::read(place.database()).expect("there");
    assert!(matches!(refusal(&place.database()), OpenError::Newer { found: 7, known: VERSION }));
    assert!(std::fs::read(place.database()).expect("there") == before);
}

/// As the first version has left it: without the tables, and with tasks that say nothing of questions, labels and shares.
#[tokio::test]
async fn a_database_of_an_older_version_is_brought_up_to_date() {
    let place = Place::new();
    with_tasks(&place, 2).await;
    change(
        &place.database(),
        "DROP TABLE questions; DROP TABLE labels; DROP INDEX unbegun_forks; DROP TABLE probe; \
         ALTER TABLE tasks DROP COLUMN left_behind; PRAGMA user_version = 1; \
         UPDATE specs SET spec = json_remove(spec, '$.policy.on_question', '$.policy.answer_within', '$.labels', \
         '$.metadata', '$.schedule.max_running')",
    );
    let store = place.open();
    assert_eq!(task(&store, "t1").await.map(|task| task.spec.policy), Some(domain::Policy::default()));
    assert_eq!(
        store.claim(1, store::conformance::NOW).await.map(|claim| format!("{claim:?}").len() > 20),
        Ok(true)
    );
    drop(store);
    let version = Connection::open(place.database())
        .and_then(|database| database.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0)));
    assert_eq!(version, Ok(5));
}

#[tokio::test]
async fn what_an_older_version_left_of_a_deleted_session_is_of_no_later_one() {
    let place = Place::new();
    let store = place.open();
    finish(&store, &submit_and_claim(&store, "t").await, 1).await;
    store.delete_session(&session("session-t")).await.expect("deleted");
    drop(store);
    change(&place.database(), "ALTER TABLE tasks DROP COLUMN left_behind; PRAGMA user_version = 4");
    let store = place.open();
    let create = CreateSession {
        id: session("session-t"),
        principal: domain::Principal::default(),
        workspace: Some("/w".into()),
        fork: None,
        now: NOW,
    };
    let made = store.create_session(create).await.expect("made");
    assert_eq!(store.session(&made.id).await, Ok(Some(made)));
}

#[tokio::test]
async fn a_database_of_another_program_is_left_alone() {
    let place = Place::new();
    change(&place.database(), "CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)");
    let before = std::fs::read(place.database()).expect("there");
    let error = refusal(&place.database());
    assert!(matches!(&error, OpenError::Foreign { path } if *path == place.database()), "{error}");
    assert!(std::fs::read(place.database()).expect("there") == before);
}

#[tokio::test]
async fn what_is_no_database_is_left_alone() {
    let place = Place::new();
    std::fs::write(place.database(), "notes of somebody, longer than a head").expect("written");
    assert_eq!(
        refusal(&place.database()).to_string(),
        format!(
            "{} is damaged or no database (it does not begin as a database does): restore a backup of it",
            place.database().display()
        )
    );
    assert_eq!(
        std::fs::read_to_string(place.database()).ok(),
        Some("notes of somebody, longer than a head".into())
    );
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_named() {
    let place = Place::new();
    let error = refusal(&place.path("nowhere/store.db"));
    assert!(
        matches!(&error, OpenError::Io { path, .. } if *path == place.path("nowhere/store.db.lock")),
        "{error}"
    );
}

#[tokio::test]
async fn damage_is_found_when_the_last_server_did_not_close_the_database() {
    let place = Place::new();
    with_tasks(&place, 100).await;
    change(&place.database(), "UPDATE meta SET clean = 0");
    let size = std::fs::metadata(place.database()).expect("there").len();
    let mut file = std::fs::OpenOptions::new().write(true).open(place.database()).expect("opens");
    file.seek(SeekFrom::Start(size / 8192 / 2 * 8192)).expect("sought");
    file.write_all(&[0xa5; 8192]).expect("written");
    drop(file);
    let error = refusal(&place.database());
    assert!(matches!(&error, OpenError::Corrupt { path, .. } if *path == place.database()), "{error}");
}

#[tokio::test]
async fn a_file_that_was_cut_is_found() {
    let place = Place::new();
    with_tasks(&place, 100).await;
    let file = std::fs::OpenOptions::new().write(true).open(place.database()).expect("opens");
    file.set_len(3 * 8192).expect("cut");
    let error = refusal(&place.database());
    assert!(matches!(&error, OpenError::Corrupt { .. }), "{error}");
}

#[tokio::test]
async fn a_schema_that_lacks_something_is_found_and_one_that_has_more_is_not_minded() {
    let place = Place::new();
    with_tasks(&place, 1).await;
    change(&place.database(), "CREATE INDEX mine ON tasks (updated_at); ANALYZE");
    drop(place.open());
    change(&place.database(), "DROP INDEX batches_of_task");
    let error = refusal(&place.database());
    let reason = "batches_of_task is missing or differs";
    assert!(matches!(&error, OpenError::Corrupt { reason: found, .. } if found == reason), "{error}");
}

#[tokio::test]
async fn a_look_finds_what_a_start_would_find_and_changes_nothing() {
    let place = Place::new();
    let look = || inspect(&place.database());
    assert!(matches!(look(), Ok(Condition::Absent)));
    with_tasks(&place, 1).await;
    let store = place.open();
    assert!(matches!(look(), Ok(Condition::InUse)));
    drop(store);
    let before = std::fs::read(place.database()).expect("there");
    assert!(matches!(look(), Ok(Condition::Ready { version: VERSION, current: VERSION })));
    assert!(std::fs::read(place.database()).expect("there") == before);
    drop(place.open());

    change(&place.database(), "DROP INDEX batches_of_task");
    assert!(matches!(look(), Err(OpenError::Corrupt { .. })));
    change(&place.database(), "PRAGMA user_version = 1");
    assert!(matches!(look(), Ok(Condition::Ready { version: 1, current: VERSION })));
    change(&place.database(), "PRAGMA user_version = 7");
    assert!(matches!(look(), Err(OpenError::Newer { found: 7, known: VERSION })));
    std::fs::write(place.database(), "notes of somebody, longer than a head").expect("written");
    assert!(matches!(look(), Err(OpenError::Corrupt { .. })));
}

#[tokio::test]
async fn nobody_else_may_read_the_files() {
    let place = Place::new();
    std::fs::write(place.database(), "").expect("written");
    std::fs::set_permissions(place.database(), std::fs::Permissions::from_mode(0o644)).expect("set");
    let store = place.open();
    submit_and_claim(&store, "t").await;
    let mut modes: Vec<_> = std::fs::read_dir(place.folder.path())
        .expect("there")
        .map(|entry| {
            let entry = entry.expect("there");
            let mode = entry.metadata().expect("there").permissions().mode() & 0o777;
            (entry.file_name().to_string_lossy().into_owned(), mode)
        })
        .collect();
    modes.sort();
    let expected =
        ["store.db", "store.db-shm", "store.db-wal", "store.db.lock"].map(|name| (name.into(), 0o600));
    assert_eq!(modes, expected);
}

#[tokio::test]
async fn a_statement_is_prepared_once_whatever_is_bound() {
    let place = Place::new();
    with_tasks(&place, 2).await;
    let connection = crate::connection::open_reader(&place.database()).expect("opens");
    let sql = task_query!("tasks t CROSS JOIN specs s ON s.task = t.number WHERE t.id = ?1");
    let mut statement = connection.prepare(sql).expect("prepared");
    for id in ["t0", "t1", "t2"] {
        assert_eq!(statement.query([id]).expect("runs").next().expect("read").is_some(), id != "t2");
    }
    let times = |status| statement.get_status(status);
    assert_eq!((times(StatementStatus::Run), times(StatementStatus::RePrepare)), (3, 0));
}

//! What the database looks like, and how an older one is brought there.

use std::collections::BTreeMap;

use rusqlite::Connection;

/// Tells our databases from those of other programs: "CCSv".
pub(crate) const APPLICATION: i32 = 0x4343_5376;
/// Each step leads from the version of its place to the next one.
const STEPS: [&str; 5] = [
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
    include_str!("schema/4.sql"),
    include_str!("schema/5.sql"),
];
/// The version that this program writes.
pub(crate) const VERSION: usize = STEPS.len();

/// Whose database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Identity {
    /// Nothing is in it yet.
    Empty,
    Ours {
        version: usize,
    },
    Foreign,
}

/// Whose database it is, by what SQLite keeps in its head. Nothing is changed.
pub(crate) fn identify(connection: &Connection) -> rusqlite::Result<Identity> {
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let application = number("PRAGMA application_id")?;
    let version = number("PRAGMA user_version")?;
    let things = number("SELECT count(*) FROM sqlite_schema")?;
    Ok(match (application, usize::try_from(version)) {
        (0, Ok(0)) if things == 0 => Identity::Empty,
        (ours, Ok(version)) if ours == i64::from(APPLICATION) => Identity::Ours { version },
        _ => Identity::Foreign,
    })
}

/// Takes the steps that are missing, each in a transaction of its own.
pub(crate) fn migrate(connection: &mut Connection, from: usize) -> rusqlite::Result<()> {
    for (version, step) in (1..).zip(STEPS).skip(from) {
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}

/// The first thing that is missing or different from what the steps make; something more does no harm.
pub(crate) fn difference(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let mut model = Connection::open_in_memory()?;
    migrate(&mut model, 0)?;
    let found = definitions(connection)?;
    let missing = definitions(&model)?.into_iter().find(|(name, sql)| found.get(name) != Some(sql));
    Ok(missing.map(|(name, _)| name))
}

fn definitions(connection: &Connection) -> rusqlite::Result<BTreeMap<String, Option<String>>> {
    let mut statement = connection.prepare("SELECT name, sql FROM sqlite_schema")?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

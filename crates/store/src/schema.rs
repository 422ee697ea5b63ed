use rusqlite::{Connection, TransactionBehavior};

use crate::error::{Result, StoreError};

/// One script per version: the first takes an empty file to version 1. A script that was released is never changed.
const MIGRATIONS: [&str; 1] = [include_str!("../migrations/0001_conversations_and_messages.sql")];

/// Marks the file as Engawa's ("Engw"), so that another program's database is not taken for an old version of ours.
const APPLICATION_ID: i64 = 0x456e_6777;

/// The newest version this build reads and writes.
#[expect(clippy::cast_possible_wrap, reason = "a handful of scripts")]
pub(crate) const KNOWN_VERSION: i64 = MIGRATIONS.len() as i64;

/// The version of the file, 0 for an empty one.
///
/// # Errors
/// [`StoreError::NewerSchema`], or [`StoreError::Damaged`] where the file is no database or somebody else's.
pub(crate) fn check_version(connection: &Connection) -> Result<i64> {
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let application: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables > 0 && application != APPLICATION_ID {
        return Err(StoreError::Damaged("it belongs to another program".to_owned()));
    }
    if found > KNOWN_VERSION {
        return Err(StoreError::NewerSchema { found, known: KNOWN_VERSION });
    }
    if (found <= 0) != (tables == 0) {
        return Err(StoreError::Damaged("its version does not fit its tables".to_owned()));
    }
    Ok(found.max(0))
}

/// Brings a file of version `found` to the known version, all steps in one transaction.
pub(crate) fn migrate(connection: &mut Connection, found: i64) -> Result<()> {
    if found >= KNOWN_VERSION {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let done = usize::try_from(found).unwrap_or(0);
    for script in MIGRATIONS.iter().skip(done) {
        transaction.execute_batch(script)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", KNOWN_VERSION)?;
    transaction.commit()?;
    Ok(())
}

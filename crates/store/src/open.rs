use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use crate::error::{Result, StoreError};
use crate::{files, salvage, schema};

/// How long a statement waits for another process that holds the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Up to this many bytes a file is checked at every start; a larger one only after a start that did not end well.
const ALWAYS_CHECKED_BYTES: u64 = 32 << 20;

/// The size of the smallest page, and so of the smallest file that is not empty.
const SMALLEST_BYTES: u64 = 512;

/// An open database, shared by threads; they take turns.
pub struct Store {
    connection: Mutex<Connection>,
}

/// A store that was opened, and what had to be done for that.
#[derive(Debug)]
pub struct Opened {
    /// The open database.
    pub store: Store,
    /// Set where the file was damaged and a new one had to be made.
    pub recovered: Option<Recovered>,
    /// How many messages were still being written when the last process ended.
    pub interrupted_messages: usize,
}

/// Says what became of a damaged database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The damaged file, under its new name, with its `-wal` beside it. Nothing deletes it.
    pub damaged_file: PathBuf,
    /// The file that was made in its place.
    pub new_file: PathBuf,
    /// What was wrong, in the words of the database library.
    pub reason: String,
    /// How many conversations could be read from the damaged file and are in the new one.
    pub conversations: usize,
    /// How many messages could.
    pub messages: usize,
}

impl Store {
    /// Opens the database at `path`, making it and its folder where they are missing.
    ///
    /// A damaged file is renamed to `<name>.damaged-<opened_at>` and what can be read of it is copied into a new one.
    /// Messages that the last process left in [`Status::Streaming`](crate::Status::Streaming) become interrupted.
    /// `opened_at` is in milliseconds since 1970.
    ///
    /// # Errors
    /// [`StoreError::NewerSchema`] where a newer Engawa wrote the file, which is then left as it is, or what the disk
    /// refuses. Damage is not an error.
    pub fn open(path: &Path, opened_at: i64) -> Result<Opened> {
        // Where the last start died in the last step of `recover`, the finished file has to take its place first.
        let recovering = files::beside(path, ".recovering");
        if !path.exists() && recovering.exists() {
            files::replace(&recovering, path)?;
        }
        files::prepare(path)?;
        let (store, recovered) = match Self::open_checked(path) {
            Ok(store) => (store, None),
            Err(StoreError::Damaged(reason)) => {
                let recovered = recover(path, &recovering, reason, opened_at)?;
                (Self::open_checked(path)?, Some(recovered))
            }
            Err(error) => return Err(error),
        };
        let interrupted_messages = store.interrupt_streaming_messages()?;
        Ok(Opened { store, recovered, interrupted_messages })
    }

    /// Opens an empty database that is gone when it is dropped.
    pub fn open_in_memory() -> Result<Self> {
        Self::prepare_connection(Connection::open_in_memory()?, Check::Skip)
    }

    fn open_checked(path: &Path) -> Result<Self> {
        // The database library takes such a file for an empty one.
        if (1..SMALLEST_BYTES).contains(&files::length(path)) {
            return Err(StoreError::Damaged("the file is too short".to_owned()));
        }
        let check = if files::was_left_open(path) || files::length(path) <= ALWAYS_CHECKED_BYTES {
            Check::Run
        } else {
            Check::Skip
        };
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Self::prepare_connection(Connection::open_with_flags(path, flags)?, check)
    }

    fn prepare_connection(mut connection: Connection, check: Check) -> Result<Self> {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        // Until the version is known, closing must not move the log into a file that a newer Engawa wrote.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        let version = schema::check_version(&connection)?;
        if matches!(check, Check::Run) {
            check_structure(&connection)?;
        }
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        connection.pragma_update_and_check(None, "journal_size_limit", 16 << 20, |_| Ok(()))?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "cell_size_check", true)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        schema::migrate(&mut connection, version)?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// Runs one statement or several that only read.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        work(&self.lock())
    }

    /// Runs `work` in a transaction that is on the disk when this returns.
    pub(crate) fn write<T>(&self, work: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        run_transaction(&mut self.lock(), work)
    }

    /// Runs `work` in a transaction that a power loss may undo. The next [`Store::write`] flushes it too, because both
    /// are in one log.
    pub(crate) fn write_relaxed<T>(&self, work: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let mut connection = self.lock();
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        let result = run_transaction(&mut connection, work);
        connection.pragma_update(None, "synchronous", "FULL")?;
        result
    }

    /// A thread that panicked while it held the lock left no open transaction behind: dropping one undoes it.
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Store").finish_non_exhaustive()
    }
}

/// Makes a new database of what can be read of the one at `path`, then lets it take that one's place.
///
/// Until the renaming at the end, the damaged file stays where it is, so an attempt that fails is made again.
fn recover(path: &Path, recovering: &Path, reason: String, opened_at: i64) -> Result<Recovered> {
    files::remove(recovering)?;
    files::prepare(recovering)?;
    let store = Store::open_checked(recovering)?;
    let salvaged = salvage::copy_readable(path, &store)?;
    // Closing moves the log into the file, so that there is one file to rename.
    drop(store);
    let damaged_file = files::set_aside(path, opened_at)?;
    files::replace(recovering, path)?;
    Ok(Recovered {
        damaged_file,
        new_file: path.to_owned(),
        reason,
        conversations: salvaged.conversations,
        messages: salvaged.messages,
    })
}

#[derive(Clone, Copy)]
enum Check {
    Run,
    Skip,
}

fn run_transaction<T>(connection: &mut Connection, work: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let value = work(&transaction)?;
    transaction.commit()?;
    Ok(value)
}

fn check_structure(connection: &Connection) -> Result<()> {
    let report: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if report == "ok" { Ok(()) } else { Err(StoreError::Damaged(report)) }
}

#[cfg(test)]
mod tests {
    use tempfile::tempdir;

    use super::*;
    use crate::{MessageEnd, MessageId, NewMessage, Role, Status};

    const NOW: i64 = 1_800_000_000_000;

    fn texts(store: &Store, leaf: MessageId) -> Vec<String> {
        store.path_to(leaf).unwrap().into_iter().map(|message| message.content).collect()
    }

    #[test]
    fn a_full_disk_loses_nothing_that_was_acknowledged() {
        let folder = tempdir().unwrap();
        let path = folder.path().join("engawa.db");
        let store = Store::open(&path, NOW).unwrap().store;
        // Reported by the database just as a full disk is.
        store.read(|connection| Ok(connection.pragma_update(None, "max_page_count", 120)?)).unwrap();
        let conversation = store.create_conversation("", NOW).unwrap().id;
        let question =
            store.insert_message(&NewMessage::new(conversation, None, Role::User, "question", NOW)).unwrap().id;
        let reply = NewMessage {
            status: Status::Streaming,
            ..NewMessage::new(conversation, Some(question), Role::Assistant, "", NOW)
        };
        let reply = store.insert_message(&reply).unwrap().id;
        let mut saved = String::new();
        let error = loop {
            let longer = format!("{saved}{}", "word ".repeat(2000));
            match store.checkpoint_message(reply, &longer, "") {
                Ok(()) => saved = longer,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, StoreError::DiskFull), "{error:?}");
        let end = MessageEnd {
            status: Status::Failed,
            content: "word ".repeat(200_000),
            reasoning: String::new(),
            reasoning_ms: None,
            error: None,
            timings: None,
            ended_at: NOW,
        };
        let error = store.finish_message(reply, &end).unwrap_err();
        assert!(matches!(error, StoreError::DiskFull), "{error:?}");
        assert_eq!(texts(&store, reply), ["question", saved.as_str()]);
        drop(store);

        let opened = Store::open(&path, NOW).unwrap();
        assert_eq!(opened.recovered, None);
        assert_eq!(texts(&opened.store, reply), ["question", saved.as_str()]);
        opened.store.finish_message(reply, &end).unwrap();
        assert_eq!(texts(&opened.store, reply), ["question", end.content.as_str()]);
    }
}

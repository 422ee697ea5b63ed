use std::fmt;
use std::path::PathBuf;

use rusqlite::{Error as SqliteError, ErrorCode, ffi};

/// Says why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nothing was written; the same call works once there is space.
    #[error("the disk is full: free some space, then try again")]
    DiskFull,
    /// The file, its folder or the whole disk refuses writing.
    #[error("the chat database cannot be written: check the permissions of its folder")]
    ReadOnly,
    /// The file was left as it is.
    #[error("the chat database was written by a newer Engawa (format {found}, this one knows {known}): update Engawa")]
    NewerSchema {
        /// The version of the file.
        found: i64,
        /// The newest version this build knows.
        known: i64,
    },
    /// Nothing by that id is there.
    #[error("the {0} does not exist")]
    NotFound(Record),
    /// Another process kept the file locked for longer than the store waits.
    #[error("the chat database is in use by another program: close it, then try again")]
    Locked,
    /// The file is not what was written; the text says how that was noticed.
    #[error("the chat database is damaged: {0}")]
    Damaged(String),
    /// The messages to import name parents that are missing or that form a circle.
    #[error("the messages do not form a tree")]
    NotATree,
    /// The operating system failed to read or write, for another reason than a full disk.
    #[error("the disk failed while the chat database was in use")]
    Disk(#[source] SqliteError),
    /// A file or its folder cannot be made, renamed or removed.
    #[error("the file `{}` cannot be prepared", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// None of the other cases.
    #[error("the chat database refused a statement")]
    Sqlite(#[source] SqliteError),
}

/// Names the kind of thing that was asked for and is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// A conversation.
    Conversation,
    /// A message.
    Message,
    /// The message exists, perhaps, but nothing is being written to it any more.
    StreamingMessage,
}

impl fmt::Display for Record {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Conversation => "conversation",
            Self::Message => "message",
            Self::StreamingMessage => "message being written",
        })
    }
}

impl From<SqliteError> for StoreError {
    fn from(error: SqliteError) -> Self {
        let SqliteError::SqliteFailure(failure, ref message) = error else {
            return match error {
                SqliteError::FromSqlConversionFailure(..)
                | SqliteError::InvalidColumnType(..)
                | SqliteError::IntegralValueOutOfRange(..)
                | SqliteError::Utf8Error(..) => Self::Damaged(error.to_string()),
                _ => Self::Sqlite(error),
            };
        };
        // SQLite reports a write that found no space as SQLITE_FULL, but a -shm file that cannot grow this way.
        if failure.extended_code == ffi::SQLITE_IOERR_SHMSIZE {
            return Self::DiskFull;
        }
        if failure.extended_code == ffi::SQLITE_IOERR_CORRUPTFS {
            return Self::Damaged(error.to_string());
        }
        match failure.code {
            ErrorCode::DiskFull => Self::DiskFull,
            ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied => Self::ReadOnly,
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Locked,
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
                Self::Damaged(message.clone().unwrap_or_else(|| error.to_string()))
            }
            ErrorCode::SystemIoFailure => Self::Disk(error),
            _ => Self::Sqlite(error),
        }
    }
}

pub(crate) type Result<T> = std::result::Result<T, StoreError>;

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(extended_code: i32) -> String {
        let error = StoreError::from(SqliteError::SqliteFailure(ffi::Error::new(extended_code), None));
        let debug = format!("{error:?}");
        debug.split(['(', ' ']).next().unwrap_or_default().to_owned()
    }

    #[test]
    fn maps_what_sqlite_reports() {
        let kinds = [
            ffi::SQLITE_FULL,
            ffi::SQLITE_READONLY,
            ffi::SQLITE_READONLY_DIRECTORY,
            ffi::SQLITE_CANTOPEN,
            ffi::SQLITE_BUSY,
            ffi::SQLITE_BUSY_RECOVERY,
            ffi::SQLITE_LOCKED,
            ffi::SQLITE_CORRUPT,
            ffi::SQLITE_CORRUPT_INDEX,
            ffi::SQLITE_NOTADB,
            ffi::SQLITE_IOERR_FSYNC,
            ffi::SQLITE_IOERR_SHMSIZE,
            ffi::SQLITE_IOERR_CORRUPTFS,
            ffi::SQLITE_ERROR,
        ]
        .map(kind);
        assert_eq!(
            kinds,
            [
                "DiskFull", "ReadOnly", "ReadOnly", "ReadOnly", "Locked", "Locked", "Locked", "Damaged", "Damaged",
                "Damaged", "Disk", "DiskFull", "Damaged", "Sqlite"
            ]
        );
    }
}

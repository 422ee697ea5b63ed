//! Reads columns that may have been damaged on the disk: what is unreadable is reported, not an error.

use rusqlite::Row;
use rusqlite::types::{FromSql, ValueRef};
use serde_json::Value;

/// Reads the columns of one row and remembers whether any was unreadable.
pub(crate) struct ColumnReader<'row, 'statement> {
    row: &'row Row<'statement>,
    pub(crate) damaged: bool,
}

impl<'row, 'statement> ColumnReader<'row, 'statement> {
    pub(crate) fn new(row: &'row Row<'statement>) -> Self {
        Self { row, damaged: false }
    }

    /// Reads a column without which the row means nothing, an id for instance.
    pub(crate) fn required<T: FromSql>(&self, column: &str) -> rusqlite::Result<T> {
        self.row.get(column)
    }

    /// Reads a value, or its default where the column cannot be understood.
    pub(crate) fn value<T: FromSql + Default>(&mut self, column: &str) -> T {
        self.row.get(column).unwrap_or_else(|_| {
            self.damaged = true;
            T::default()
        })
    }

    /// The bytes of a text column as they are on the disk.
    pub(crate) fn bytes(&mut self, column: &str) -> &'row [u8] {
        if let Ok(ValueRef::Text(bytes) | ValueRef::Blob(bytes)) = self.row.get_ref(column) {
            return bytes;
        }
        self.damaged = true;
        &[]
    }

    /// Reads a text, with U+FFFD where it is not UTF-8.
    pub(crate) fn text(&mut self, column: &str) -> String {
        let text = String::from_utf8_lossy(self.bytes(column));
        self.damaged |= matches!(text, std::borrow::Cow::Owned(_));
        text.into_owned()
    }

    pub(crate) fn optional_text(&mut self, column: &str) -> Option<String> {
        match self.row.get_ref(column) {
            Ok(ValueRef::Null) => None,
            _ => Some(self.text(column)),
        }
    }

    pub(crate) fn optional_json(&mut self, column: &str) -> Option<Value> {
        let text = self.optional_text(column)?;
        let value = serde_json::from_str(&text);
        self.damaged |= value.is_err();
        value.ok()
    }
}

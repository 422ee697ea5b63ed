//! Copies what can still be read of a damaged database into a new one.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, Row};
use serde_json::Value;

use crate::conversations::{self, Conversation};
use crate::error::{Result, StoreError};
use crate::id::{ConversationId, MessageId};
use crate::messages::{self, Message, Status};
use crate::open::Store;

/// How many rows were copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Salvaged {
    pub(crate) conversations: usize,
    pub(crate) messages: usize,
}

/// Copies the readable conversations and messages.
///
/// A message whose parent is lost becomes a root. Messages whose conversation is lost get one without a title.
///
/// # Errors
/// Only what the new database refuses: nothing to copy is an answer.
pub(crate) fn copy_readable(damaged_file: &Path, store: &Store) -> Result<Salvaged> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let Ok(damaged) = Connection::open_with_flags(damaged_file, flags) else {
        return Ok(Salvaged::default());
    };
    // The damaged file stays exactly as it was found.
    let unchanged = damaged
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        .and_then(|_| damaged.pragma_update(None, "query_only", true));
    if unchanged.is_err() {
        return Ok(Salvaged::default());
    }
    let mut found = readable_rows(&damaged, "conversations", "rowid", conversations::from_row);
    let messages = readable_rows(&damaged, "messages", "sequence", messages::from_row);
    add_lost_conversations(&mut found, &messages);
    store.write(|transaction| {
        let mut salvaged = Salvaged::default();
        let mut leaves = HashMap::new();
        for conversation in found {
            let bare = Conversation { active_leaf: None, first_in_context: None, ..conversation.clone() };
            if accepted(conversations::insert(transaction, &bare))? {
                salvaged.conversations += 1;
                leaves.insert(conversation.id, conversation);
            }
        }
        let mut copied: HashSet<(ConversationId, MessageId)> = HashSet::new();
        for mut message in messages {
            message.parent_id = message.parent_id.filter(|parent| copied.contains(&(message.conversation_id, *parent)));
            if message.status == Status::Streaming {
                message.status = Status::Interrupted;
            }
            if accepted(insert_keeping_flag(transaction, &message))? {
                salvaged.messages += 1;
                copied.insert((message.conversation_id, message.id));
            }
        }
        for (id, conversation) in leaves {
            let known = |message: Option<MessageId>| message.filter(|message| copied.contains(&(id, *message)));
            transaction.execute(
                "UPDATE conversations SET first_in_context = ?2, active_leaf = coalesce(
                    ?3, (SELECT id FROM messages WHERE conversation_id = ?1 ORDER BY sequence DESC LIMIT 1)
                 ) WHERE id = ?1",
                rusqlite::params![id, known(conversation.first_in_context), known(conversation.active_leaf)],
            )?;
        }
        Ok(salvaged)
    })
}

/// Adds a message; one that was damaged keeps a checksum that does not fit, so that it is still told apart.
fn insert_keeping_flag(connection: &Connection, message: &Message) -> Result<()> {
    let sequence = messages::insert(connection, message)?;
    if message.damaged {
        connection.execute("UPDATE messages SET checksum = checksum + 1 WHERE sequence = ?1", [sequence])?;
    }
    Ok(())
}

/// False for a row that breaks a rule of the tables: a damaged page can give the same row twice, for instance.
fn accepted(inserted: Result<()>) -> Result<bool> {
    match inserted {
        Ok(()) => Ok(true),
        Err(StoreError::Sqlite(error)) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

fn add_lost_conversations(conversations: &mut Vec<Conversation>, messages: &[Message]) {
    let mut known: HashSet<ConversationId> = conversations.iter().map(|conversation| conversation.id).collect();
    for message in messages {
        if known.insert(message.conversation_id) {
            conversations.push(Conversation {
                id: message.conversation_id,
                title: String::new(),
                title_is_custom: false,
                created_at: message.created_at,
                updated_at: message.created_at,
                deleted_at: None,
                model_path: None,
                character_id: message.character_id.clone(),
                sampling: Value::Object(serde_json::Map::new()),
                active_leaf: None,
                first_in_context: None,
            });
        }
    }
}

/// Reads a table in the order of `key`, jumping over the parts that cannot be read, further each time.
fn readable_rows<T>(
    connection: &Connection,
    table: &str,
    key: &str,
    from_row: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Vec<T> {
    let sql = format!("SELECT *, {key} AS salvage_key FROM {table} WHERE {key} > ?1 ORDER BY {key}");
    let Ok(mut statement) = connection.prepare(&sql) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mut last: i64 = 0;
    let mut jump: i64 = 1;
    loop {
        let Ok(mut rows) = statement.query([last]) else {
            return found;
        };
        loop {
            match rows.next() {
                Ok(Some(row)) => {
                    let Ok(row_key) = row.get::<_, i64>("salvage_key") else {
                        break;
                    };
                    // A key that does not grow comes from a damaged page; following it could go round in circles.
                    if row_key <= last {
                        break;
                    }
                    last = row_key;
                    if let Ok(value) = from_row(row) {
                        found.push(value);
                        jump = 1;
                    }
                }
                Ok(None) => return found,
                Err(_) => break,
            }
        }
        let Some(next) = last.checked_add(jump) else {
            return found;
        };
        last = next;
        jump = jump.saturating_mul(2);
    }
}

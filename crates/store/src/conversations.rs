use rusqlite::{Connection, OptionalExtension, Row, ToSql, named_params, params};
use serde_json::Value;

use crate::columns::ColumnReader;
use crate::error::{Record, Result, StoreError};
use crate::id::{ConversationId, MessageId};
use crate::open::Store;

/// A conversation without its messages. Times are in milliseconds since 1970.
#[derive(Clone, Debug, PartialEq)]
pub struct Conversation {
    /// Its name in this file.
    pub id: ConversationId,
    /// What lists show; may be empty.
    pub title: String,
    /// True once a person has named it; such a title is not replaced by a generated one.
    pub title_is_custom: bool,
    /// When it was made.
    pub created_at: i64,
    /// When a message was last added or finished.
    pub updated_at: i64,
    /// Set while the conversation is in the bin.
    pub deleted_at: Option<i64>,
    /// The model file chosen for it.
    pub model_path: Option<String>,
    /// The character that answers.
    pub character_id: Option<String>,
    /// Sampling settings that differ from the defaults, opaque here. `{}` where the stored text is damaged.
    pub sampling: Value,
    /// The last message of the branch that is shown.
    pub active_leaf: Option<MessageId>,
    /// The first message that the model is shown.
    pub first_in_context: Option<MessageId>,
}

/// What a list of conversations shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversationSummary {
    /// Its name in this file.
    pub id: ConversationId,
    /// What lists show; may be empty.
    pub title: String,
    /// The character that answers.
    pub character_id: Option<String>,
    /// When a message was last added or finished.
    pub updated_at: i64,
}

impl Store {
    /// Creates an empty conversation with a title that may still be replaced.
    pub fn create_conversation(&self, title: &str, created_at: i64) -> Result<Conversation> {
        let conversation = Conversation {
            id: ConversationId::new(created_at),
            title: title.to_owned(),
            title_is_custom: false,
            created_at,
            updated_at: created_at,
            deleted_at: None,
            model_path: None,
            character_id: None,
            sampling: Value::Object(serde_json::Map::new()),
            active_leaf: None,
            first_in_context: None,
        };
        self.write(|transaction| insert(transaction, &conversation))?;
        Ok(conversation)
    }

    /// Reads a conversation, also one in the bin.
    pub fn conversation(&self, id: ConversationId) -> Result<Conversation> {
        self.read(|connection| find(connection, id)?.ok_or(StoreError::NotFound(Record::Conversation)))
    }

    /// Lists the conversations that are not in the bin, the last used first.
    pub fn conversations(&self) -> Result<Vec<ConversationSummary>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT id, title, character_id, updated_at FROM conversations
                 WHERE deleted_at IS NULL ORDER BY updated_at DESC, rowid DESC",
            )?;
            let summaries = statement.query_map([], summary_from_row)?;
            Ok(summaries.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Gives the conversation the title that a person chose.
    pub fn rename(&self, id: ConversationId, title: &str) -> Result<()> {
        self.change(id, "title = ?2, title_is_custom = 1", &title)
    }

    /// Gives the conversation a generated title, unless a person has named it. Returns whether it took the title.
    pub fn set_title_if_default(&self, id: ConversationId, title: &str) -> Result<bool> {
        self.write(|transaction| {
            let changed = transaction.execute(
                "UPDATE conversations SET title = ?2 WHERE id = ?1 AND title_is_custom = 0",
                params![id, title],
            )?;
            require(transaction, id)?;
            Ok(changed > 0)
        })
    }

    /// Puts the conversation in the bin: it is neither listed nor found, but can be restored.
    pub fn delete(&self, id: ConversationId, deleted_at: i64) -> Result<()> {
        self.change(id, "deleted_at = ?2", &deleted_at)
    }

    /// Takes the conversation out of the bin.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], also after it was purged.
    pub fn restore(&self, id: ConversationId) -> Result<()> {
        self.change(id, "deleted_at = ?2", &None::<i64>)
    }

    /// Removes for good what was put in the bin before the time `before`. Returns how many conversations that was.
    pub fn purge_deleted(&self, before: i64) -> Result<usize> {
        self.write(|transaction| {
            // The leaf and the messages point at each other, so the pointers go first.
            transaction.execute(
                "UPDATE conversations SET active_leaf = NULL, first_in_context = NULL WHERE deleted_at < ?1",
                [before],
            )?;
            Ok(transaction.execute("DELETE FROM conversations WHERE deleted_at < ?1", [before])?)
        })
    }

    /// Chooses the character that answers, or none.
    pub fn set_character(&self, id: ConversationId, character_id: Option<&str>) -> Result<()> {
        self.change(id, "character_id = ?2", &character_id)
    }

    /// Chooses the model file, or none.
    pub fn set_model(&self, id: ConversationId, model_path: Option<&str>) -> Result<()> {
        self.change(id, "model_path = ?2", &model_path)
    }

    /// Replaces the sampling settings that differ from the defaults.
    pub fn set_sampling(&self, id: ConversationId, sampling: &Value) -> Result<()> {
        self.change(id, "sampling = ?2", &sampling.to_string())
    }

    /// Chooses the branch that is shown, by its last message; `None` shows nothing.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for the conversation, or for a message that is not in it.
    pub fn set_active_leaf(&self, id: ConversationId, leaf: Option<MessageId>) -> Result<()> {
        self.point(id, "active_leaf = ?2", leaf)
    }

    /// Chooses the first message that the model is shown; `None` shows it all.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for the conversation, or for a message that is not in it.
    pub fn set_first_in_context(&self, id: ConversationId, first: Option<MessageId>) -> Result<()> {
        self.point(id, "first_in_context = ?2", first)
    }

    fn point(&self, id: ConversationId, assignment: &str, message: Option<MessageId>) -> Result<()> {
        self.write(|transaction| {
            if let Some(message) = message {
                let mut statement =
                    transaction.prepare_cached("SELECT 1 FROM messages WHERE conversation_id = ?1 AND id = ?2")?;
                if !statement.exists(params![id, message])? {
                    require(transaction, id)?;
                    return Err(StoreError::NotFound(Record::Message));
                }
            }
            update(transaction, id, assignment, &message)
        })
    }

    fn change(&self, id: ConversationId, assignment: &str, value: &dyn ToSql) -> Result<()> {
        self.write(|transaction| update(transaction, id, assignment, value))
    }
}

/// Sets columns of one conversation; `assignment` names them and `?2` is the value.
fn update(connection: &Connection, id: ConversationId, assignment: &str, value: &dyn ToSql) -> Result<()> {
    let sql = format!("UPDATE conversations SET {assignment} WHERE id = ?1");
    match connection.prepare_cached(&sql)?.execute(params![id, value])? {
        0 => Err(StoreError::NotFound(Record::Conversation)),
        _ => Ok(()),
    }
}

fn require(connection: &Connection, id: ConversationId) -> Result<()> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM conversations WHERE id = ?1")?;
    if statement.exists([id])? { Ok(()) } else { Err(StoreError::NotFound(Record::Conversation)) }
}

pub(crate) fn find(connection: &Connection, id: ConversationId) -> Result<Option<Conversation>> {
    let mut statement = connection.prepare_cached("SELECT * FROM conversations WHERE id = ?1")?;
    Ok(statement.query_row([id], from_row).optional()?)
}

pub(crate) fn insert(connection: &Connection, conversation: &Conversation) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO conversations
            (id, title, title_is_custom, created_at, updated_at, deleted_at, model_path, character_id, sampling,
             active_leaf, first_in_context)
         VALUES
            (:id, :title, :title_is_custom, :created_at, :updated_at, :deleted_at, :model_path, :character_id, :sampling,
             :active_leaf, :first_in_context)",
    )?;
    statement.execute(named_params! {
        ":id": conversation.id,
        ":title": conversation.title,
        ":title_is_custom": conversation.title_is_custom,
        ":created_at": conversation.created_at,
        ":updated_at": conversation.updated_at,
        ":deleted_at": conversation.deleted_at,
        ":model_path": conversation.model_path,
        ":character_id": conversation.character_id,
        ":sampling": conversation.sampling.to_string(),
        ":active_leaf": conversation.active_leaf,
        ":first_in_context": conversation.first_in_context,
    })?;
    Ok(())
}

pub(crate) fn from_row(row: &Row<'_>) -> rusqlite::Result<Conversation> {
    let mut columns = ColumnReader::new(row);
    Ok(Conversation {
        id: columns.required("id")?,
        title: columns.text("title"),
        title_is_custom: columns.value("title_is_custom"),
        created_at: columns.value("created_at"),
        updated_at: columns.value("updated_at"),
        deleted_at: columns.value("deleted_at"),
        model_path: columns.optional_text("model_path"),
        character_id: columns.optional_text("character_id"),
        sampling: columns.optional_json("sampling").unwrap_or_else(|| Value::Object(serde_json::Map::new())),
        active_leaf: columns.value("active_leaf"),
        first_in_context: columns.value("first_in_context"),
    })
}

pub(crate) fn summary_from_row(row: &Row<'_>) -> rusqlite::Result<ConversationSummary> {
    let mut columns = ColumnReader::new(row);
    Ok(ConversationSummary {
        id: columns.required("id")?,
        title: columns.text("title"),
        character_id: columns.optional_text("character_id"),
        updated_at: columns.value("updated_at"),
    })
}

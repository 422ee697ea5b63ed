use rusqlite::{Connection, OptionalExtension, Row, named_params, params};
use serde_json::Value;

use crate::checksum;
use crate::columns::ColumnReader;
use crate::error::{Record, Result, StoreError};
use crate::id::{ConversationId, MessageId};
use crate::open::Store;

/// Says who a message is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A person.
    User,
    /// The model.
    Assistant,
    /// An instruction to the model.
    System,
}

/// Says how far the writing of a message got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The model, or the person, ended it.
    Complete,
    /// Still being written by this process.
    Streaming,
    /// A person stopped it.
    Stopped,
    /// It reached the limit of tokens.
    Length,
    /// An error ended it.
    Failed,
    /// The process that wrote it ended first.
    Interrupted,
}

/// A message as it is stored. Times are in milliseconds since 1970.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Its name in this file.
    pub id: MessageId,
    /// The conversation it is in.
    pub conversation_id: ConversationId,
    /// The message it answers or follows; `None` begins a conversation.
    pub parent_id: Option<MessageId>,
    /// Grows with every message that is added to the file, whatever the clock does.
    pub sequence: i64,
    /// Who it is from.
    pub role: Role,
    /// Its text.
    pub content: String,
    /// What a reasoning model thought first; often empty.
    pub reasoning: String,
    /// How long it thought, in milliseconds.
    pub reasoning_ms: Option<i64>,
    /// How far it got.
    pub status: Status,
    /// Opaque here.
    pub error: Option<Value>,
    /// The name shown above it.
    pub author_name: Option<String>,
    /// The picture shown beside it.
    pub author_emoji: Option<String>,
    /// The character that spoke.
    pub character_id: Option<String>,
    /// The model that wrote it.
    pub model: Option<String>,
    /// The settings it was written with, opaque here.
    pub sampling: Option<Value>,
    /// Opaque here.
    pub timings: Option<Value>,
    /// When it was begun.
    pub created_at: i64,
    /// True where the disk did not give back what was written: what can be read of it is in the other fields.
    pub damaged: bool,
}

/// A message to add.
#[derive(Clone, Debug, PartialEq)]
pub struct NewMessage {
    /// The conversation it is in.
    pub conversation_id: ConversationId,
    /// The message it answers or follows.
    pub parent_id: Option<MessageId>,
    /// Who it is from.
    pub role: Role,
    /// Its text.
    pub content: String,
    /// What a reasoning model thought first.
    pub reasoning: String,
    /// How long it thought, in milliseconds.
    pub reasoning_ms: Option<i64>,
    /// How far it got.
    pub status: Status,
    /// The name shown above it.
    pub author_name: Option<String>,
    /// The picture shown beside it.
    pub author_emoji: Option<String>,
    /// The character that spoke.
    pub character_id: Option<String>,
    /// The model that writes it.
    pub model: Option<String>,
    /// The settings it is written with, opaque here.
    pub sampling: Option<Value>,
    /// When it was begun.
    pub created_at: i64,
}

impl NewMessage {
    /// A complete message with its text and nothing else.
    #[must_use]
    pub fn new(
        conversation_id: ConversationId,
        parent_id: Option<MessageId>,
        role: Role,
        content: &str,
        created_at: i64,
    ) -> Self {
        Self {
            conversation_id,
            parent_id,
            role,
            content: content.to_owned(),
            reasoning: String::new(),
            reasoning_ms: None,
            status: Status::Complete,
            author_name: None,
            author_emoji: None,
            character_id: None,
            model: None,
            sampling: None,
            created_at,
        }
    }
}

/// The final state of a message that was being written.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageEnd {
    /// How far it got.
    pub status: Status,
    /// Its text.
    pub content: String,
    /// What a reasoning model thought first.
    pub reasoning: String,
    /// How long it thought, in milliseconds.
    pub reasoning_ms: Option<i64>,
    /// Why it failed, opaque here.
    pub error: Option<Value>,
    /// How fast it was, opaque here.
    pub timings: Option<Value>,
    /// When it ended; the conversation was last used then.
    pub ended_at: i64,
}

impl Store {
    /// Adds a message and makes it the end of the branch that is shown.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for the conversation, or for a parent that is not in it.
    pub fn insert_message(&self, message: &NewMessage) -> Result<Message> {
        self.write(|transaction| {
            let id = MessageId::new(message.created_at);
            let inserted = insert(transaction, &stored(id, message));
            if let Err(StoreError::Sqlite(error)) = &inserted
                && error.sqlite_extended_error_code() == Some(rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY)
            {
                return Err(StoreError::NotFound(Record::Message));
            }
            let sequence = inserted?;
            let changed = transaction.execute(
                "UPDATE conversations SET active_leaf = ?2, updated_at = ?3 WHERE id = ?1",
                params![message.conversation_id, id, message.created_at],
            )?;
            if changed == 0 {
                return Err(StoreError::NotFound(Record::Conversation));
            }
            Ok(Message { sequence, ..stored(id, message) })
        })
    }

    /// Saves what has been written of a message so far.
    ///
    /// Cheap enough for several times a second: it outlives the process, but a power loss may take it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where the message is not [`Status::Streaming`] (any more).
    pub fn checkpoint_message(&self, id: MessageId, content: &str, reasoning: &str) -> Result<()> {
        self.write_relaxed(|transaction| {
            let mut statement = transaction.prepare_cached(
                "UPDATE messages SET content = ?2, reasoning = ?3, checksum = ?4
                 WHERE id = ?1 AND status = 'streaming'",
            )?;
            let checksum = checksum::of_text(content.as_bytes(), reasoning.as_bytes());
            match statement.execute(params![id, content, reasoning, checksum])? {
                0 => Err(StoreError::NotFound(Record::StreamingMessage)),
                _ => Ok(()),
            }
        })
    }

    /// Saves the final state of a message.
    pub fn finish_message(&self, id: MessageId, end: &MessageEnd) -> Result<()> {
        self.write(|transaction| {
            let mut statement = transaction.prepare_cached(
                "UPDATE messages
                 SET status = :status, content = :content, reasoning = :reasoning, reasoning_ms = :reasoning_ms,
                     error = :error, timings = :timings, checksum = :checksum
                 WHERE id = :id RETURNING conversation_id",
            )?;
            let conversation_id: Option<ConversationId> = statement
                .query_row(
                    named_params! {
                        ":id": id,
                        ":status": end.status.name(),
                        ":content": end.content,
                        ":reasoning": end.reasoning,
                        ":reasoning_ms": end.reasoning_ms,
                        ":error": json_text(end.error.as_ref()),
                        ":timings": json_text(end.timings.as_ref()),
                        ":checksum": checksum::of_text(end.content.as_bytes(), end.reasoning.as_bytes()),
                    },
                    |row| row.get(0),
                )
                .optional()?;
            let conversation_id = conversation_id.ok_or(StoreError::NotFound(Record::Message))?;
            transaction.execute(
                "UPDATE conversations SET updated_at = ?2 WHERE id = ?1",
                params![conversation_id, end.ended_at],
            )?;
            Ok(())
        })
    }

    /// Marks a finished message as being written again, to continue it.
    pub fn resume_message(&self, id: MessageId) -> Result<()> {
        self.write(|transaction| {
            match transaction.execute("UPDATE messages SET status = 'streaming' WHERE id = ?1", [id])? {
                0 => Err(StoreError::NotFound(Record::Message)),
                _ => Ok(()),
            }
        })
    }

    /// Reads one message.
    pub fn message(&self, id: MessageId) -> Result<Message> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT * FROM messages WHERE id = ?1")?;
            let message = statement.query_row([id], from_row).optional()?;
            message.ok_or(StoreError::NotFound(Record::Message))
        })
    }

    /// Reads every message of every branch of a conversation, in the order in which they were added.
    ///
    /// A conversation that does not exist has no messages.
    pub fn all_messages(&self, conversation: ConversationId) -> Result<Vec<Message>> {
        self.read(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT * FROM messages WHERE conversation_id = ?1 ORDER BY sequence")?;
            let messages = statement.query_map([conversation], from_row)?;
            Ok(messages.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Ends what a process that is gone was writing.
    pub(crate) fn interrupt_streaming_messages(&self) -> Result<usize> {
        self.write(|transaction| {
            Ok(transaction.execute("UPDATE messages SET status = 'interrupted' WHERE status = 'streaming'", [])?)
        })
    }
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::System => "system",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::User, Self::Assistant, Self::System].into_iter().find(|role| role.name() == name)
    }
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Streaming => "streaming",
            Self::Stopped => "stopped",
            Self::Length => "length",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Complete, Self::Streaming, Self::Stopped, Self::Length, Self::Failed, Self::Interrupted]
            .into_iter()
            .find(|status| status.name() == name)
    }
}

/// Adds a row and returns its sequence number; that of `message` is not used.
pub(crate) fn insert(connection: &Connection, message: &Message) -> Result<i64> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO messages
            (id, conversation_id, parent_id, role, content, reasoning, reasoning_ms, status, error, author_name,
             author_emoji, character_id, model, sampling, timings, created_at, checksum)
         VALUES
            (:id, :conversation_id, :parent_id, :role, :content, :reasoning, :reasoning_ms, :status, :error, :author_name,
             :author_emoji, :character_id, :model, :sampling, :timings, :created_at, :checksum)",
    )?;
    Ok(statement.insert(named_params! {
        ":id": message.id,
        ":conversation_id": message.conversation_id,
        ":parent_id": message.parent_id,
        ":role": message.role.name(),
        ":content": message.content,
        ":reasoning": message.reasoning,
        ":reasoning_ms": message.reasoning_ms,
        ":status": message.status.name(),
        ":error": json_text(message.error.as_ref()),
        ":author_name": message.author_name,
        ":author_emoji": message.author_emoji,
        ":character_id": message.character_id,
        ":model": message.model,
        ":sampling": json_text(message.sampling.as_ref()),
        ":timings": json_text(message.timings.as_ref()),
        ":created_at": message.created_at,
        ":checksum": checksum::of_text(message.content.as_bytes(), message.reasoning.as_bytes()),
    })?)
}

pub(crate) fn from_row(row: &Row<'_>) -> rusqlite::Result<Message> {
    let mut columns = ColumnReader::new(row);
    let checksum = checksum::of_text(columns.bytes("content"), columns.bytes("reasoning"));
    let stored_checksum: u32 = columns.value("checksum");
    let role = Role::from_name(&columns.text("role"));
    let status = Status::from_name(&columns.text("status"));
    let message = Message {
        id: columns.required("id")?,
        conversation_id: columns.required("conversation_id")?,
        parent_id: columns.value("parent_id"),
        sequence: columns.required("sequence")?,
        role: role.unwrap_or(Role::Assistant),
        content: columns.text("content"),
        reasoning: columns.text("reasoning"),
        reasoning_ms: columns.value("reasoning_ms"),
        status: status.unwrap_or(Status::Failed),
        error: columns.optional_json("error"),
        author_name: columns.optional_text("author_name"),
        author_emoji: columns.optional_text("author_emoji"),
        character_id: columns.optional_text("character_id"),
        model: columns.optional_text("model"),
        sampling: columns.optional_json("sampling"),
        timings: columns.optional_json("timings"),
        created_at: columns.value("created_at"),
        damaged: false,
    };
    let damaged = columns.damaged || checksum != stored_checksum || role.is_none() || status.is_none();
    Ok(Message { damaged, ..message })
}

fn stored(id: MessageId, message: &NewMessage) -> Message {
    let message = message.clone();
    Message {
        id,
        conversation_id: message.conversation_id,
        parent_id: message.parent_id,
        sequence: 0,
        role: message.role,
        content: message.content,
        reasoning: message.reasoning,
        reasoning_ms: message.reasoning_ms,
        status: message.status,
        error: None,
        author_name: message.author_name,
        author_emoji: message.author_emoji,
        character_id: message.character_id,
        model: message.model,
        sampling: message.sampling,
        timings: None,
        created_at: message.created_at,
        damaged: false,
    }
}

fn json_text(value: Option<&Value>) -> Option<String> {
    value.map(Value::to_string)
}

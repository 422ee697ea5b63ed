//! A whole conversation as JSON, and back.

use engawa_store::{Conversation, ConversationId, ConversationTree, Message, MessageId, Role, Status};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::import::ImportError;

/// What the file says it is.
const FORMAT: &str = "engawa.conversation";
/// The version of the format that is written; older ones are read.
const VERSION: u32 = 1;

/// The file. Times are in milliseconds since 1970.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Document {
    format: String,
    version: u32,
    conversation: ConversationDocument,
    messages: Vec<MessageDocument>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ConversationDocument {
    id: ConversationId,
    title: String,
    #[serde(default)]
    title_is_custom: bool,
    created_at: i64,
    updated_at: i64,
    #[serde(default)]
    model_path: Option<String>,
    #[serde(default)]
    character_id: Option<String>,
    #[serde(default)]
    sampling: Value,
    #[serde(default)]
    active_leaf: Option<MessageId>,
    #[serde(default)]
    first_in_context: Option<MessageId>,
}

#[derive(Debug, Serialize, Deserialize)]
struct MessageDocument {
    id: MessageId,
    parent_id: Option<MessageId>,
    role: RoleDocument,
    content: String,
    #[serde(default)]
    reasoning: String,
    #[serde(default)]
    reasoning_ms: Option<i64>,
    #[serde(default)]
    status: StatusDocument,
    #[serde(default)]
    error: Option<Value>,
    #[serde(default)]
    author_name: Option<String>,
    #[serde(default)]
    author_emoji: Option<String>,
    #[serde(default)]
    character_id: Option<String>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    sampling: Option<Value>,
    #[serde(default)]
    timings: Option<Value>,
    created_at: i64,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RoleDocument {
    User,
    Assistant,
    System,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StatusDocument {
    #[default]
    Complete,
    Streaming,
    Stopped,
    Length,
    Failed,
    Interrupted,
}

impl Document {
    pub(crate) fn from_tree(tree: ConversationTree) -> Self {
        let ConversationTree { conversation, messages } = tree;
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            conversation: ConversationDocument {
                id: conversation.id,
                title: conversation.title,
                title_is_custom: conversation.title_is_custom,
                created_at: conversation.created_at,
                updated_at: conversation.updated_at,
                model_path: conversation.model_path,
                character_id: conversation.character_id,
                sampling: conversation.sampling,
                active_leaf: conversation.active_leaf,
                first_in_context: conversation.first_in_context,
            },
            messages: messages.into_iter().map(MessageDocument::from).collect(),
        }
    }

    /// Readable JSON: people look into their exports.
    pub(crate) fn to_json(&self) -> String {
        // Strings, numbers and maps with string keys can always be written.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    pub(crate) fn parse(json: &str) -> Result<Self, ImportError> {
        let value: Value = serde_json::from_str(json).map_err(ImportError::NotJson)?;
        if value.get("format").and_then(Value::as_str) != Some(FORMAT) {
            return Err(ImportError::OtherFormat);
        }
        match value.get("version").and_then(Value::as_u64) {
            Some(version) if version <= u64::from(VERSION) => {}
            Some(version) => return Err(ImportError::NewerVersion(version)),
            None => return Err(ImportError::OtherFormat),
        }
        serde_json::from_value(value).map_err(ImportError::Damaged)
    }

    pub(crate) fn into_tree(self) -> ConversationTree {
        let conversation = self.conversation;
        let id = conversation.id;
        let messages = self.messages.into_iter().enumerate();
        ConversationTree {
            messages: messages.map(|(index, message)| message.into_stored(id, index)).collect(),
            conversation: Conversation {
                id,
                title: conversation.title,
                title_is_custom: conversation.title_is_custom,
                created_at: conversation.created_at,
                updated_at: conversation.updated_at,
                deleted_at: None,
                model_path: conversation.model_path,
                character_id: conversation.character_id,
                sampling: conversation.sampling,
                active_leaf: conversation.active_leaf,
                first_in_context: conversation.first_in_context,
            },
        }
    }
}

impl From<Message> for MessageDocument {
    fn from(message: Message) -> Self {
        Self {
            id: message.id,
            parent_id: message.parent_id,
            role: match message.role {
                Role::User => RoleDocument::User,
                Role::Assistant => RoleDocument::Assistant,
                Role::System => RoleDocument::System,
            },
            content: message.content,
            reasoning: message.reasoning,
            reasoning_ms: message.reasoning_ms,
            status: match message.status {
                Status::Complete => StatusDocument::Complete,
                Status::Streaming => StatusDocument::Streaming,
                Status::Stopped => StatusDocument::Stopped,
                Status::Length => StatusDocument::Length,
                Status::Failed => StatusDocument::Failed,
                Status::Interrupted => StatusDocument::Interrupted,
            },
            error: message.error,
            author_name: message.author_name,
            author_emoji: message.author_emoji,
            character_id: message.character_id,
            model: message.model,
            sampling: message.sampling,
            timings: message.timings,
            created_at: message.created_at,
        }
    }
}

impl MessageDocument {
    fn into_stored(self, conversation_id: ConversationId, index: usize) -> Message {
        Message {
            id: self.id,
            conversation_id,
            parent_id: self.parent_id,
            sequence: i64::try_from(index).unwrap_or(i64::MAX),
            role: match self.role {
                RoleDocument::User => Role::User,
                RoleDocument::Assistant => Role::Assistant,
                RoleDocument::System => Role::System,
            },
            content: self.content,
            reasoning: self.reasoning,
            reasoning_ms: self.reasoning_ms,
            status: match self.status {
                StatusDocument::Complete => Status::Complete,
                // Nobody writes it any more.
                StatusDocument::Streaming | StatusDocument::Interrupted => Status::Interrupted,
                StatusDocument::Stopped => Status::Stopped,
                StatusDocument::Length => Status::Length,
                StatusDocument::Failed => Status::Failed,
            },
            error: self.error,
            author_name: self.author_name,
            author_emoji: self.author_emoji,
            character_id: self.character_id,
            model: self.model,
            sampling: self.sampling,
            timings: self.timings,
            created_at: self.created_at,
            damaged: false,
        }
    }
}

//! Conversations.

use std::str::FromStr;

use engawa_chat::ConversationView;
use serde::Serialize;

use super::{Characters, Message, Sampling, UiError, sampling};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConversationSummary {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) emoji: Option<String>,
    pub(crate) updated_at: i64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Conversation {
    id: String,
    title: String,
    character_id: Option<String>,
    sampling: Sampling,
    messages: Vec<Message>,
    first_in_context: Option<String>,
    context: Option<ContextUse>,
}

#[derive(Debug, Serialize)]
pub(crate) struct ContextUse {
    used: u32,
    size: u32,
}

impl Conversation {
    pub(crate) fn new(view: &ConversationView, characters: &Characters<'_>) -> Self {
        Self {
            id: view.conversation.id.to_string(),
            title: view.conversation.title.clone(),
            character_id: view.character.as_ref().map(|character| character.id().to_owned()),
            sampling: sampling(&view.sampling),
            messages: view.messages.iter().map(|message| Message::new(message, characters)).collect(),
            first_in_context: view.first_in_context.map(|id| id.to_string()),
            context: view.context.map(Into::into),
        }
    }
}

impl From<engawa_chat::ContextUse> for ContextUse {
    fn from(context: engawa_chat::ContextUse) -> Self {
        Self { used: context.used, size: context.size }
    }
}

/// Reads an id that the page was given before.
pub(crate) fn parse_id<T: FromStr>(id: &str) -> Result<T, UiError> {
    id.parse().map_err(|_| UiError::new("unexpected", "The window asked for something that can't exist."))
}

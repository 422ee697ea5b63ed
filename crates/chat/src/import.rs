//! A conversation from a file.

use crate::ChatError;
use crate::chat::Chat;
use crate::conversation::ConversationView;
use crate::export::Document;

/// Why a file could not be imported. Nothing was stored then.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It is not JSON.
    #[error("the file is not JSON: {0}")]
    NotJson(#[source] serde_json::Error),
    /// It is JSON, but not a conversation that Engawa exported.
    #[error("the file is not a conversation exported by Engawa")]
    OtherFormat,
    /// A newer Engawa wrote it.
    #[error("the file was written by a newer version of Engawa (format {0})")]
    NewerVersion(u64),
    /// It says that it is a conversation, but something is missing or of the wrong kind.
    #[error("the conversation in the file is damaged: {0}")]
    Damaged(#[source] serde_json::Error),
}

impl Chat {
    /// Adds a conversation that [`Chat::export`] wrote as JSON.
    ///
    /// # Errors
    /// [`ChatError::Import`] and [`ChatError::Store`].
    pub fn import(&self, json: &str) -> Result<ConversationView, ChatError> {
        let tree = Document::parse(json)?.into_tree();
        let id = self.store().import_conversation(&tree)?;
        self.announce(id)?;
        self.open_conversation(id)
    }
}

//! Characters in the language of the interface.

use engawa_chat::{Chat, Language};
use serde::Serialize;

use super::ConversationSummary;

/// What `{{user}}` in a greeting becomes where it is only shown.
const PERSON: &str = "User";

/// A character to choose.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Character {
    id: String,
    emoji: String,
    name: String,
    description: String,
    greeting: String,
}

/// Looks characters up and names them in one language.
#[derive(Clone, Copy)]
pub(crate) struct Characters<'chat> {
    chat: &'chat Chat,
    language: Language,
}

impl<'chat> Characters<'chat> {
    pub(crate) fn new(chat: &'chat Chat, language: Language) -> Self {
        Self { chat, language }
    }

    pub(crate) fn all(&self) -> Vec<Character> {
        let convert = |character: &engawa_chat::Character| Character {
            id: character.id().to_owned(),
            emoji: character.emoji().to_owned(),
            name: character.name(self.language).to_owned(),
            description: character.description(self.language).to_owned(),
            greeting: character.greeting(PERSON),
        };
        self.chat.characters().iter().map(convert).collect()
    }

    /// The name and emoji of a character that is still there.
    pub(super) fn find(&self, id: &str) -> Option<(String, String)> {
        let character = self.chat.characters().iter().find(|character| character.id() == id)?;
        Some((character.name(self.language).to_owned(), character.emoji().to_owned()))
    }

    pub(crate) fn summary(&self, summary: engawa_chat::ConversationSummary) -> ConversationSummary {
        ConversationSummary {
            id: summary.id.to_string(),
            emoji: summary.character_id.and_then(|id| self.find(&id)).map(|(_, emoji)| emoji),
            title: summary.title,
            updated_at: summary.updated_at,
        }
    }
}

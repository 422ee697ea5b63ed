//! A conversation as a file.

mod json;
mod text;

pub(crate) use json::Document;

use engawa_store::{ConversationId, ConversationTree};

use crate::ChatError;
use crate::chat::Chat;

/// What a conversation can be written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// The chosen branch, for reading and for other editors.
    Markdown,
    /// The chosen branch without marks.
    Text,
    /// Everything: branches, settings, timings. Can be imported again.
    Json,
}

/// A conversation, written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// A name for the file, with its ending, safe on every system.
    pub file_name: String,
    /// What goes into it.
    pub contents: String,
}

impl Chat {
    /// Writes a conversation in a format.
    ///
    /// # Errors
    /// [`ChatError::Store`].
    pub fn export(&self, id: ConversationId, format: ExportFormat) -> Result<Export, ChatError> {
        let conversation = self.store().conversation(id)?;
        let ending = match format {
            ExportFormat::Markdown => "md",
            ExportFormat::Text => "txt",
            ExportFormat::Json => "json",
        };
        let file_name = format!("{}.{ending}", file_stem(&conversation.title));
        let contents = match format {
            ExportFormat::Json => {
                let messages = self.store().all_messages(id)?;
                Document::from_tree(ConversationTree { conversation, messages }).to_json()
            }
            ExportFormat::Markdown | ExportFormat::Text => {
                let messages = match conversation.active_leaf {
                    Some(leaf) => self.store().path_to(leaf)?,
                    None => Vec::new(),
                };
                let write = if format == ExportFormat::Markdown { text::markdown } else { text::plain };
                write(&conversation, &messages)
            }
        };
        Ok(Export { file_name, contents })
    }
}

/// The title without what file systems refuse, and not too long for any of them.
fn file_stem(title: &str) -> String {
    const MAX_BYTES: usize = 120;
    let allowed = |character: char| {
        !character.is_control() && !matches!(character, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|')
    };
    let mut stem = String::new();
    for character in title.chars().map(|character| if allowed(character) { character } else { '_' }) {
        if stem.len() + character.len_utf8() > MAX_BYTES {
            break;
        }
        stem.push(character);
    }
    let stem = stem.trim_matches([' ', '.']);
    if stem.is_empty() { "conversation".to_owned() } else { stem.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::file_stem;

    #[test]
    fn a_title_becomes_a_safe_name() {
        assert_eq!(file_stem("Rust で CSV: 読む/書く?"), "Rust で CSV_ 読む_書く_");
        assert_eq!(file_stem(" ../.."), "_");
        assert_eq!(file_stem(""), "conversation");
        assert_eq!(file_stem(&"縁".repeat(100)).len(), 120);
    }
}

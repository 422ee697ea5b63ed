use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::sampling::SamplingSuggestion;

/// What Engawa adds to a character card, under `data.extensions.engawa`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EngawaExtension {
    /// Names the character in chats and settings; it stays the same when the character is renamed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Shown where there is no picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub emoji: Option<String>,
    /// The place in a list, small numbers first; characters without one come last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<i64>,
    /// The name in every language, by its code.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, String>,
    /// One line about the character in every language, by its code.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub descriptions: BTreeMap<String, String>,
    /// Settings that suit the character.
    pub sampling: SamplingSuggestion,
    /// Fields that are not known here.
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
}

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::language::Language;

/// Sampling settings that a character or a preset suggests; what it leaves open stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SamplingSuggestion {
    /// 0 is greedy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// 0 is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<i32>,
    /// 1 is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// 0 is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f64>,
    /// 1 is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub typical_p: Option<f64>,
    /// 1 is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_penalty: Option<f64>,
    /// 0 is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f64>,
    /// 0 is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f64>,
    /// How many tokens the penalties look at; 0 is none, -1 is all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_last_n: Option<i32>,
    /// Makes a reply repeatable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u32>,
    /// The longest reply in tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// Settings that are not known here.
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
}

/// Sampling settings with a name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SamplingPreset {
    /// Names the preset in settings files.
    pub id: String,
    /// The place in a list, small numbers first.
    #[serde(default)]
    pub order: i64,
    /// The name in every language, by its code.
    #[serde(default)]
    pub names: BTreeMap<String, String>,
    /// One line about it in every language, by its code.
    #[serde(default)]
    pub descriptions: BTreeMap<String, String>,
    /// The settings.
    #[serde(default)]
    pub sampling: SamplingSuggestion,
    /// Fields that are not known here.
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
}

impl SamplingPreset {
    /// Returns the name in a language, else in English, else the id.
    #[must_use]
    pub fn name(&self, language: Language) -> &str {
        language.pick(&self.names).unwrap_or(&self.id)
    }

    /// Returns the description in a language, else in English, else an empty text.
    #[must_use]
    pub fn description(&self, language: Language) -> &str {
        language.pick(&self.descriptions).unwrap_or_default()
    }
}

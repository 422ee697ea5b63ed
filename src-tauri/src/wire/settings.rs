//! What the window remembers of itself.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Settings {
    pub(crate) language: LanguageChoice,
    theme: Theme,
    sidebar_open: bool,
    inspector_open: bool,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LanguageChoice {
    #[default]
    Auto,
    En,
    Ja,
    Ru,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Theme {
    #[default]
    System,
    Light,
    Dark,
}

impl Default for Settings {
    fn default() -> Self {
        Self { language: LanguageChoice::Auto, theme: Theme::System, sidebar_open: true, inspector_open: true }
    }
}

//! What the page begins with.

use serde::Serialize;

use super::{Character, ConversationSummary, ModelState, Notice, Settings};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StartState {
    pub(crate) version: &'static str,
    pub(crate) settings: Settings,
    pub(crate) conversations: Vec<ConversationSummary>,
    pub(crate) characters: Vec<Character>,
    pub(crate) model: ModelState,
    pub(crate) demo_available: bool,
    pub(crate) notices: Vec<Notice>,
}

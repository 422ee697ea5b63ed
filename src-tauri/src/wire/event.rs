//! What happens, for the page.

use serde::Serialize;

use super::{ContextUse, ConversationSummary, Message, ModelState, UiError};

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum Event {
    ConversationChanged {
        conversation: ConversationSummary,
    },
    ConversationRemoved {
        conversation_id: String,
    },
    MessageAdded {
        conversation_id: String,
        message: Message,
    },
    PromptProgress {
        conversation_id: String,
        message_id: String,
        processed: u32,
        total: u32,
    },
    ReplyText {
        conversation_id: String,
        message_id: String,
        settled: String,
        tail: Option<String>,
        reasoning: String,
        generated_tokens: u32,
    },
    ReplyFinished {
        conversation_id: String,
        message: Message,
        context: Option<ContextUse>,
    },
    SamplingApplied {
        conversation_id: String,
        message_id: String,
        from_token: u32,
    },
    ContextTrimmed {
        conversation_id: String,
        first_in_context: String,
    },
    ModelState {
        model: ModelState,
    },
    Notice {
        notice: Notice,
    },
}

#[derive(Debug, Serialize)]
pub(crate) struct Notice {
    id: String,
    kind: &'static str,
    error: UiError,
}

impl Notice {
    pub(crate) fn info(id: impl Into<String>, news: UiError) -> Self {
        Self { id: id.into(), kind: "info", error: news }
    }

    pub(crate) fn warning(id: impl Into<String>, error: UiError) -> Self {
        Self { id: id.into(), kind: "warning", error }
    }

    pub(crate) fn error(id: impl Into<String>, error: UiError) -> Self {
        Self { id: id.into(), kind: "error", error }
    }
}

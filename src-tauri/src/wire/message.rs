//! Messages, their text rendered.

use engawa_chat::{BranchedMessage, ReplyError, Role, Status};
use engawa_markup::{Breaks, render_with};
use serde::Serialize;

use super::{Characters, UiError};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Message {
    id: String,
    parent_id: Option<String>,
    role: &'static str,
    author: Option<Author>,
    content: String,
    html: String,
    reasoning: String,
    reasoning_time: Option<i64>,
    status: &'static str,
    error: Option<UiError>,
    created_at: i64,
    branch: Branch,
    timings: Option<Timings>,
}

#[derive(Debug, Serialize)]
struct Author {
    name: String,
    emoji: String,
}

#[derive(Debug, Serialize)]
struct Branch {
    index: u32,
    count: u32,
    previous: Option<String>,
    next: Option<String>,
}

/// Tokens, tokens per second and milliseconds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Timings {
    prompt_tokens: u32,
    reused_tokens: u32,
    processed_tokens: u32,
    generated_tokens: u32,
    tokens_per_second: f64,
    time_to_first_token: f64,
    total: f64,
}

impl Message {
    pub(crate) fn new(entry: &BranchedMessage, characters: &Characters<'_>) -> Self {
        let message = &entry.message;
        // What a person types breaks where they broke it.
        let breaks = if message.role == Role::User { Breaks::Hard } else { Breaks::Soft };
        let timings = message.timings.clone().and_then(|timings| serde_json::from_value(timings).ok());
        Self {
            id: message.id.to_string(),
            parent_id: message.parent_id.map(|id| id.to_string()),
            role: if message.role == Role::User { "user" } else { "assistant" },
            author: author(message, characters),
            html: render_with(&message.content, breaks),
            content: message.content.clone(),
            reasoning: message.reasoning.clone(),
            reasoning_time: message.reasoning_ms,
            status: match message.status {
                Status::Complete => "complete",
                Status::Streaming => "streaming",
                Status::Stopped => "stopped",
                Status::Length => "length",
                Status::Failed => "failed",
                Status::Interrupted => "interrupted",
            },
            error: error(message),
            created_at: message.created_at,
            branch: Branch {
                index: entry.branch.index + 1,
                count: entry.branch.count,
                previous: entry.branch.previous.map(|id| id.to_string()),
                next: entry.branch.next.map(|id| id.to_string()),
            },
            timings: timings.as_ref().map(Timings::from),
        }
    }
}

/// The character in the interface's language, or as it was called then if it is gone.
fn author(message: &engawa_chat::Message, characters: &Characters<'_>) -> Option<Author> {
    if message.role == Role::User {
        return None;
    }
    if let Some((name, emoji)) = message.character_id.as_deref().and_then(|id| characters.find(id)) {
        return Some(Author { name, emoji });
    }
    let name = message.author_name.clone()?;
    Some(Author { name, emoji: message.author_emoji.clone().unwrap_or_default() })
}

fn error(message: &engawa_chat::Message) -> Option<UiError> {
    if message.damaged {
        return Some(UiError::new("message_damaged", "The disk did not give back what was written here."));
    }
    let error = message.error.clone()?;
    Some(serde_json::from_value::<ReplyError>(error).map_or_else(
        |_| UiError::new("unexpected", "The reply ended by an error that this version does not know."),
        |error| UiError::from(&error),
    ))
}

impl From<&engawa_chat::Timings> for Timings {
    fn from(timings: &engawa_chat::Timings) -> Self {
        let milliseconds = |microseconds: u64| microseconds as f64 / 1000.0;
        Self {
            prompt_tokens: timings.prompt_tokens,
            reused_tokens: timings.reused_tokens,
            processed_tokens: timings.processed_tokens,
            generated_tokens: timings.generated_tokens,
            tokens_per_second: timings.tokens_per_second(),
            time_to_first_token: milliseconds(timings.first_token_us),
            total: milliseconds(timings.first_token_us + timings.generation_us),
        }
    }
}

//! The shapes that the page sees, as `ui/backend/types.d.ts` describes them. Written by hand from the application's own.

mod character;
mod conversation;
mod error;
mod event;
mod message;
mod model;
mod sampling;
mod settings;
mod start;

pub(crate) use character::{Character, Characters};
pub(crate) use conversation::{ContextUse, Conversation, ConversationSummary, parse_id};
pub(crate) use error::UiError;
pub(crate) use event::{Event, Notice};
pub(crate) use message::Message;
pub(crate) use model::{LoadEstimate, LoadSettings, ModelCard, ModelState};
pub(crate) use sampling::{Sampling, sampling};
pub(crate) use settings::{LanguageChoice, Settings};
pub(crate) use start::StartState;

//! Keeps conversations and their message trees in one database file.
//!
//! This crate must not know engines, prompts, sampling or windows: what those store here (sampling settings, timings,
//! errors) is JSON it hands back unread. It takes paths and times as parameters and never reads a clock or the
//! environment. All methods block; call them from a thread that may wait for a disk.
//!
//! What is promised:
//! - when a method that writes returns `Ok`, the change survives a power loss, except [`Store::checkpoint_message`],
//!   which survives the death of the process only;
//! - each method is one transaction: it happens whole or not at all;
//! - a parent always belongs to the same conversation as its child and has a smaller `sequence`.
#![forbid(unsafe_code)]

mod checksum;
mod columns;
mod conversations;
mod error;
mod files;
mod id;
mod import;
mod messages;
mod open;
mod salvage;
mod schema;
mod search;
mod tree;

pub use conversations::{Conversation, ConversationSummary};
pub use error::{Record, StoreError};
pub use id::{ConversationId, MessageId};
pub use import::ConversationTree;
pub use messages::{Message, MessageEnd, NewMessage, Role, Status};
pub use open::{Opened, Recovered, Store};
pub use search::SearchHit;
pub use tree::{Branch, BranchedMessage};

//! What happens in the application, for whoever shows it.

use engawa_store::{BranchedMessage, ConversationId, ConversationSummary, MessageId};

use crate::conversation::ContextUse;
use crate::model::{ModelError, ModelState};

/// Something happened. Shells get these in order from [`crate::Chat::subscribe`].
#[derive(Debug, Clone)]
pub enum ChatEvent {
    /// A conversation is new, or its title, character or time changed.
    ConversationChanged(ConversationSummary),
    /// A conversation is in the bin.
    ConversationRemoved(ConversationId),
    /// A message joined the branch that is shown; a reply does so empty, when it begins.
    MessageAdded {
        /// Where.
        conversation: ConversationId,
        /// The message and its place.
        message: Box<BranchedMessage>,
    },
    /// A reply's prompt is being processed.
    PromptProgress {
        /// Where.
        conversation: ConversationId,
        /// The reply.
        message: MessageId,
        /// Tokens in the context.
        processed: u32,
        /// Tokens of the prompt.
        total: u32,
    },
    /// A reply grew: whole characters, about sixty times a second at most.
    ReplyWritten {
        /// Where.
        conversation: ConversationId,
        /// The reply.
        message: MessageId,
        /// Thinking, to append.
        reasoning: String,
        /// Text, to append.
        content: String,
        /// Tokens so far.
        generated: u32,
    },
    /// A reply ended, in whichever way.
    ReplyFinished {
        /// Where.
        conversation: ConversationId,
        /// The message as it is kept.
        message: Box<BranchedMessage>,
        /// The context after it, if the engine told.
        context: Option<ContextUse>,
    },
    /// A running reply goes on with new sampling settings.
    SamplingApplied {
        /// Where.
        conversation: ConversationId,
        /// The reply.
        message: MessageId,
        /// The first token that they choose, from 0.
        from_token: u32,
    },
    /// The oldest messages left the model's view.
    ContextTrimmed {
        /// Where.
        conversation: ConversationId,
        /// The oldest message that is still seen.
        first_in_context: MessageId,
    },
    /// The model's state changed.
    ModelChanged(ModelState),
    /// What was to be loaded can't be; the model that answered stays, or is loaded again.
    LoadRefused(ModelError),
    /// A finished or growing reply could not be written to disk; it is still shown, and tried again.
    SavingFailed {
        /// What the database said.
        reason: String,
        /// Whether the disk is full.
        disk_full: bool,
    },
}

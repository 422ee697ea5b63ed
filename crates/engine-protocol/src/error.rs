//! Errors that cross the pipe, and errors of the pipe itself.

use serde::{Deserialize, Serialize};

use crate::MediaKind;

/// Why a frame could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    /// The message is larger than this side of the pipe allows.
    #[error("a message of {length} bytes is over the limit of {limit}")]
    TooLarge {
        /// Bytes of the message.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The bytes are no message of this protocol.
    #[error("a message could not be understood")]
    Json(#[from] serde_json::Error),
    /// The pipe is closed or broken.
    #[error("the pipe is closed")]
    Io(#[from] std::io::Error),
}

/// Why a model could not be loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum LoadError {
    /// There is no file at the path.
    #[error("the file does not exist")]
    NotFound,
    /// The file may not be read by this user.
    #[error("the file may not be read")]
    NoPermission,
    /// The file does not begin like a GGUF.
    #[error("the file is not a GGUF model")]
    NotGguf,
    /// This version of llama.cpp does not know the model's architecture.
    #[error("the architecture {architecture:?} is not known to this version")]
    UnknownArchitecture {
        /// As the file names it.
        architecture: String,
    },
    /// Weights, context and working memory together are more than the machine has free.
    #[error("it needs more memory than the {available} bytes that are free")]
    NotEnoughMemory {
        /// Bytes, where that could be told.
        needed: Option<u64>,
        /// Bytes.
        available: u64,
    },
    /// An adapter can't be laid over the model.
    #[error("the adapter {file:?} can't be used: {reason}")]
    Adapter {
        /// The name of its file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The projector can't show the model anything.
    #[error("the projector {file:?} can't be used: {reason}")]
    Projector {
        /// The name of its file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The draft model can't draft for the model.
    #[error("the draft model {file:?} can't be used: {reason}")]
    DraftModel {
        /// The name of its file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The person cancelled it.
    #[error("loading was cancelled")]
    Cancelled,
    /// llama.cpp refused the file; its own words.
    #[error("the model could not be loaded: {reason}")]
    Refused {
        /// The last error lines of llama.cpp.
        reason: String,
    },
}

/// Why a reply, or a count of a prompt, ended without success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum GenerateError {
    /// No model is loaded.
    #[error("no model is loaded")]
    NoModel,
    /// The prompt alone does not fit the context.
    #[error("the prompt has {prompt_tokens} tokens and the context holds {context_size}")]
    ContextTooSmall {
        /// Tokens of the prompt.
        prompt_tokens: u32,
        /// Tokens of the context.
        context_size: u32,
    },
    /// The model's chat template refused the messages; its own words.
    #[error("the model's chat template refused the conversation: {reason}")]
    TemplateRefused {
        /// What the template said.
        reason: String,
    },
    /// A text could not be turned into tokens.
    #[error("the text could not be turned into tokens: {reason}")]
    Tokenize {
        /// What llama.cpp said.
        reason: String,
    },
    /// The model does not take what a message has beside text.
    #[error("the model can't take {what} as it is loaded")]
    MediaUnsupported {
        /// Of all media of the request, in their order, from 0.
        number: u32,
        /// Pictures or sounds.
        what: MediaKind,
    },
    /// A picture or a sound can't be read.
    #[error("a picture or a sound could not be read: {reason}")]
    MediaUnreadable {
        /// Of all media of the request, in their order, from 0.
        number: u32,
        /// Why.
        reason: String,
    },
    /// The sampling settings are not usable.
    #[error("the sampling settings are not usable: {reason}")]
    Sampling {
        /// What llama.cpp said.
        reason: String,
    },
    /// The reply can't be held to the form that was asked for.
    #[error("the grammar or schema can't be used: {reason}")]
    Constraint {
        /// Why.
        reason: String,
    },
    /// The model was loaded for something else.
    #[error("the model was loaded for something else")]
    WrongPurpose,
    /// It was cancelled before its end.
    #[error("it was cancelled")]
    Cancelled,
    /// llama.cpp failed to compute a batch.
    #[error("the model could not compute the next token (code {status})")]
    Decode {
        /// The return value of `llama_decode`.
        status: i32,
    },
}

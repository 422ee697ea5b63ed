//! What can go wrong, in the application's terms.

use engawa_engine_client::protocol::GenerateError;
use engawa_engine_client::{ExitCause, ExitReport};
use engawa_store::StoreError;
use serde::{Deserialize, Serialize};

use crate::import::ImportError;
use crate::model::ModelError;

/// Why something that was asked for did not happen. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// The database refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no model to answer with.
    #[error("no model is open")]
    NoModel,
    /// The model could not be opened.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A reply is being written in this conversation.
    #[error("a reply is being written: stop it first")]
    Busy,
    /// There is nothing to send.
    #[error("the message is empty")]
    EmptyMessage,
    /// The message is larger than any model could read.
    #[error("the message has {bytes} bytes, more than the {limit} that can be sent at once")]
    MessageTooLong {
        /// Bytes of the message.
        bytes: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Only a reply can be written anew or continued.
    #[error("this message is not a reply")]
    NotAReply,
    /// There is no such character.
    #[error("the character `{0}` does not exist")]
    UnknownCharacter(String),
    /// The value is outside what the setting allows.
    #[error("`{name}` can't be {value}")]
    SamplingOutOfRange {
        /// The setting.
        name: &'static str,
        /// What was asked.
        value: f64,
    },
    /// The file is no conversation.
    #[error(transparent)]
    Import(#[from] ImportError),
}

/// Why a reply failed; kept with the message, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum ReplyError {
    /// The engine ended while it wrote.
    #[error("the engine stopped while it was writing")]
    EngineCrashed {
        /// Exit status and last lines of its log.
        report: String,
    },
    /// The engine did not react and was ended.
    #[error("the engine did not react and was ended")]
    EngineUnresponsive {
        /// Exit status and last lines of its log.
        report: String,
    },
    /// The model that should answer could not be opened.
    #[error("the model could not be opened: {reason}")]
    ModelUnavailable {
        /// What the model's error says.
        reason: String,
    },
    /// The engine ended too often in a short time.
    #[error("the engine stopped several times within a minute and was not started again")]
    EngineLimit,
    /// The message does not fit the context, alone.
    #[error("the message needs {prompt_tokens} tokens and the context holds {context_size}")]
    ContextTooSmall {
        /// Tokens of the prompt.
        prompt_tokens: u32,
        /// Tokens of the context.
        context_size: u32,
    },
    /// The model's chat template refused the conversation.
    #[error("the model's chat template refused the conversation: {reason}")]
    TemplateRefused {
        /// What the template said.
        reason: String,
    },
    /// llama.cpp failed.
    #[error("the model could not go on: {reason}")]
    GenerationFailed {
        /// What llama.cpp said.
        reason: String,
    },
}

impl From<GenerateError> for ReplyError {
    fn from(error: GenerateError) -> Self {
        match error {
            GenerateError::ContextTooSmall { prompt_tokens, context_size } => {
                Self::ContextTooSmall { prompt_tokens, context_size }
            }
            GenerateError::TemplateRefused { reason } => Self::TemplateRefused { reason },
            GenerateError::NoModel => Self::ModelUnavailable { reason: error.to_string() },
            GenerateError::Tokenize { .. }
            | GenerateError::MediaUnsupported { .. }
            | GenerateError::MediaUnreadable { .. }
            | GenerateError::Sampling { .. }
            | GenerateError::Constraint { .. }
            | GenerateError::WrongPurpose
            | GenerateError::Cancelled
            | GenerateError::Decode { .. } => Self::GenerationFailed { reason: error.to_string() },
        }
    }
}

impl From<ExitReport> for ReplyError {
    fn from(report: ExitReport) -> Self {
        match report.cause {
            ExitCause::Unresponsive => Self::EngineUnresponsive { report: report.to_string() },
            _ => Self::EngineCrashed { report: report.to_string() },
        }
    }
}

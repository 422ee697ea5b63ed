//! Generating a reply: what is asked and how it ended.

use serde::{Deserialize, Serialize};

use crate::Sampling;

/// Names one request on one engine; never reused while the engine lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RequestId(pub u64);

/// Names a token sequence in the engine's KV cache. Requests on one sequence follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SequenceId(pub u32);

/// Asks for a reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GenerateRequest {
    /// Names this request in all that follows.
    pub id: RequestId,
    /// Where its tokens are kept between requests.
    pub sequence: SequenceId,
    /// The conversation, oldest first.
    pub messages: Vec<PromptMessage>,
    /// Whether the last message is the reply's own beginning.
    pub continue_final: ContinueFinal,
    /// Settings at its start; [`crate::EngineRequest::UpdateSampling`] changes them later.
    pub sampling: Sampling,
    /// Texts that end the reply and are not part of it.
    pub stop: Vec<String>,
}

/// Whether a reply begins anew or goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContinueFinal {
    /// The template opens a new turn of the assistant.
    NewTurn,
    /// The last message is the assistant's and is written on.
    LastMessage,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Instructions.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
}

/// One message of the prompt. Its text is never parsed for control tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptMessage {
    /// Who speaks.
    pub role: Role,
    /// What was said.
    pub content: String,
    /// What an assistant thought before; empty without.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reasoning: String,
}

/// How many tokens a prompt has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptCount {
    /// The whole prompt with the template's own tokens.
    pub total: u32,
    /// Each message's text alone, in order, `[n_messages]`.
    pub messages: Vec<u32>,
}

/// Why a reply ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model ended its turn.
    EndOfTurn,
    /// A stop text was written.
    StopText,
    /// `max_tokens` is reached.
    MaxTokens,
    /// The context is full.
    ContextFull,
    /// It was cancelled.
    Cancelled,
}

/// What a reply cost. Times in microseconds, measured in the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Timings {
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// Of them, taken from the KV cache.
    pub reused_tokens: u32,
    /// Of them, processed now.
    pub processed_tokens: u32,
    /// Tokens of the reply.
    pub generated_tokens: u32,
    /// From the request's arrival to its first token.
    pub first_token_us: u64,
    /// From the first token to the last.
    pub generation_us: u64,
}

impl Timings {
    /// Tokens per second after the first one, or 0 while there is only one.
    pub fn tokens_per_second(&self) -> f64 {
        if self.generated_tokens < 2 || self.generation_us == 0 {
            return 0.0;
        }
        f64::from(self.generated_tokens - 1) / (self.generation_us as f64 / 1e6)
    }
}

//! Generating a reply: what is asked and how it ended.

use serde::{Deserialize, Serialize};

use crate::{Decoding, Media, Sampling};

/// Names one request on one engine; never reused while the engine lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RequestId(pub u64);

/// Asks for a reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GenerateRequest {
    /// Names this request in all that follows.
    pub id: RequestId,
    /// Whose conversation it is: letters, digits and hyphens, at most 64. What it leaves in the KV cache is kept on disk
    /// under this name when it has to go ([`crate::CacheFolder`]), until [`crate::EngineRequest::Forget`]. Without an
    /// owner it is kept in memory only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The conversation, oldest first.
    pub messages: Vec<PromptMessage>,
    /// Tools that the reply may call; none without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolDefinition>,
    /// Whether the last message is the reply's own beginning.
    pub continue_final: ContinueFinal,
    /// Settings at its start; [`crate::EngineRequest::UpdateSampling`] changes them later.
    pub sampling: Sampling,
    /// How tokens are chosen beyond that.
    #[serde(default)]
    pub decoding: Decoding,
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
    /// A tool that the model called: its result.
    Tool,
}

/// One message of the prompt. Its text is never parsed for control tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptMessage {
    /// Who speaks.
    pub role: Role,
    /// What was said.
    pub content: String,
    /// What there is to see or to hear in it; empty without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<Media>,
    /// What an assistant thought before; empty without.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reasoning: String,
    /// The tools that an assistant called; empty without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// The call that a tool's result answers: [`ToolCall::id`]; empty for other roles.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tool_call_id: String,
}

impl PromptMessage {
    /// A message that is text alone.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self {
            role,
            content: content.into(),
            media: Vec::new(),
            reasoning: String::new(),
            tool_calls: Vec::new(),
            tool_call_id: String::new(),
        }
    }
}

/// A tool as it is offered to a model; the fields are those of a function in OpenAI's chat API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolDefinition {
    /// What calls name it.
    pub name: String,
    /// What it does, for the model; may be empty.
    #[serde(default)]
    pub description: String,
    /// Its arguments, as a JSON schema of an object.
    pub parameters: serde_json::Value,
}

/// A call of a tool, as the model wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Names the call within its conversation; empty where the model's format has no such names.
    #[serde(default)]
    pub id: String,
    /// The tool.
    pub name: String,
    /// The arguments as JSON text. A model wrote them: they may be wrong in every way.
    pub arguments: String,
}

/// How many tokens a prompt has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptCount {
    /// The whole prompt with the template's own tokens.
    pub total: u32,
    /// Each message's text and media alone, in order, `[n_messages]`.
    pub messages: Vec<u32>,
}

/// Why a reply ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model ended its turn.
    EndOfTurn,
    /// The model ended its turn with calls of tools.
    ToolCalls,
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
    /// Tokens that were drafted ([`crate::Speculation`]).
    #[serde(default)]
    pub drafted_tokens: u32,
    /// Of them, those that were right.
    #[serde(default)]
    pub accepted_tokens: u32,
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

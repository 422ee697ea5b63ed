//! Messages from an engine to the app.

use serde::{Deserialize, Serialize};

use crate::{
    FinishReason, GenerateError, LoadError, LoadEstimate, LoadSettings, ModelInfo, PromptCount, RequestId, Timings,
    TokenLogprob, ToolCall,
};

/// What an engine tells the app. Past tense.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EngineEvent {
    /// The answer to the first message.
    Hello {
        /// The engine's [`crate::PROTOCOL_VERSION`].
        version: u32,
    },
    /// The devices that models can be computed on.
    Devices {
        /// In llama.cpp's order.
        devices: Vec<DeviceInfo>,
    },
    /// What was asked for does not fit the memory that is free: the model will be loaded with these settings, the closest that do.
    LoadFitted {
        /// In place of those of the request.
        settings: Box<LoadSettings>,
    },
    /// Loading went on.
    LoadProgress {
        /// 0..=1, llama.cpp's own.
        fraction: f32,
    },
    /// The model is loaded and warmed up.
    ModelLoaded(ModelInfo),
    /// The model could not be loaded.
    LoadFailed(LoadError),
    /// What a load would take.
    LoadEstimated(LoadEstimate),
    /// It can't be told what a load would take.
    EstimateFailed(LoadError),
    /// A prompt was counted.
    PromptCounted {
        /// The request.
        id: RequestId,
        /// The counts.
        count: PromptCount,
    },
    /// A part of the prompt was processed.
    PromptProgress {
        /// The request.
        id: RequestId,
        /// Tokens that are in the context now, reused ones included.
        processed: u32,
        /// Tokens of the prompt.
        total: u32,
    },
    /// A token was chosen; its text comes with the next [`Self::Text`], unless it is held back or a mark.
    TokenChosen {
        /// The request.
        id: RequestId,
        /// The token, if [`crate::Decoding::logprobs`] asks for it.
        token: TokenLogprob,
    },
    /// Text was written: whole characters, never half of one.
    Text {
        /// The request.
        id: RequestId,
        /// Thinking, to append.
        reasoning: String,
        /// Reply, to append.
        content: String,
        /// Tokens of the reply so far.
        generated: u32,
    },
    /// The model called tools: all calls of the reply, once, before it ends with [`FinishReason::ToolCalls`]. Where it ends
    /// otherwise, the last one may be cut short.
    ToolsCalled {
        /// The request.
        id: RequestId,
        /// The calls, in their order.
        calls: Vec<ToolCall>,
    },
    /// New sampling settings are in use.
    SamplingApplied {
        /// The request.
        id: RequestId,
        /// The number of the first token that they choose, from 0.
        from_token: u32,
    },
    /// The next text's vector; empty for an empty text without marks of its own.
    Embedded {
        /// The request.
        id: RequestId,
        /// `[n_embd]`.
        embedding: Vec<f32>,
    },
    /// How relevant the next document is.
    Ranked {
        /// The request.
        id: RequestId,
        /// Higher is more relevant; the scale is the model's own.
        score: f32,
    },
    /// All vectors or scores of a request were sent.
    Measured {
        /// The request.
        id: RequestId,
        /// Tokens of all its texts.
        tokens: u32,
    },
    /// The reply ended.
    Finished {
        /// The request.
        id: RequestId,
        /// Why.
        reason: FinishReason,
        /// What it cost.
        timings: Timings,
    },
    /// The request ended with an error; text sent before stays valid.
    RequestFailed {
        /// The request.
        id: RequestId,
        /// Why.
        error: GenerateError,
    },
}

/// A device that models can be computed on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceInfo {
    /// ggml's short name, e.g. "Vulkan0".
    pub name: String,
    /// What a person calls it, e.g. "NVIDIA GeForce RTX 3060".
    pub description: String,
    /// What kind of device it is.
    pub kind: DeviceKind,
    /// Bytes free now.
    pub memory_free: u64,
    /// Bytes in all.
    pub memory_total: u64,
}

/// Kinds of devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceKind {
    /// The processor.
    Cpu,
    /// A graphics card with memory of its own.
    Gpu,
    /// Graphics inside the processor, sharing its memory.
    IntegratedGpu,
    /// Anything else (BLAS, NPU).
    Accelerator,
}

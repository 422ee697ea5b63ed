//! What the app and an engine child say to each other, and how it is framed.
//!
//! Knows nothing of processes, models or llama.cpp: messages and bytes only. Both sides treat the
//! other as possibly broken: a frame has a size limit, and the first message is a version check.
#![forbid(unsafe_code)]

mod embedding;
mod error;
mod event;
mod frame;
mod generation;
mod load;
mod media;
mod request;
mod sampling;

pub use embedding::{EmbedRequest, Pooling, Purpose, RankRequest};
pub use error::{GenerateError, LoadError, ProtocolError};
pub use event::{DeviceInfo, DeviceKind, EngineEvent};
pub use frame::{MAX_EVENT_BYTES, MAX_REQUEST_BYTES, read_frame, write_frame};
pub use generation::{
    ContinueFinal, FinishReason, GenerateRequest, PromptCount, PromptMessage, RequestId, Role, Timings, ToolCall,
    ToolDefinition,
};
pub use load::{
    Adapter, CacheFolder, DeviceMemory, Fit, FlashAttention, GpuSplit, KvType, LoadEstimate, LoadRequest, LoadSettings,
    Mmap, ModelInfo, Speculation, SplitMode, TemplateInfo, TemplateSource,
};
pub use media::{Inputs, Media, MediaKind};
pub use request::EngineRequest;
pub use sampling::{Constraint, Decoding, LogitBias, Mirostat, SamplerKind, Sampling, TokenLogprob};

/// The version of this protocol; both sides must speak the same one.
pub const PROTOCOL_VERSION: u32 = 8;

/// The first argument of a process that is started as an engine child.
pub const ENGINE_ROLE_ARGUMENT: &str = "--engine-child";

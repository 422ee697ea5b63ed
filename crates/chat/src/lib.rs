//! The application: conversations, characters, prompts, sampling, replies, models and exports.
//!
//! Every shell (window, server, terminal) enters here and only here. It must not know windows, HTTP or llama.cpp,
//! and it never looks for folders, clocks or variables by itself: [`ChatConfig`] says where and when things are.
#![forbid(unsafe_code)]

mod atomic_file;
mod chat;
mod context_window;
mod conversation;
mod error;
mod event;
mod export;
mod import;
mod memory;
mod model;
mod prompt;
mod reply;
mod sampling;
mod send;

pub use atomic_file::write_atomically;
pub use chat::{Chat, ChatConfig, Clock};
pub use conversation::{ContextUse, ConversationView};
pub use engawa_catalog::gguf_header::{GgufError, ModelSummary};
pub use engawa_catalog::presets::{CardProblem, Character, Language};
pub use engawa_engine_client::protocol::{
    Adapter, DeviceMemory, Fit, FlashAttention, GpuSplit, KvType, LoadError, LoadEstimate, LoadSettings, Mmap,
    ModelInfo, Speculation, SplitMode, TemplateSource, Timings,
};
pub use engawa_engine_client::{EngineProgram, ExitCause, ExitReport};
pub use engawa_store::{
    Branch, BranchedMessage, Conversation, ConversationId, ConversationSummary, Message, MessageId, Recovered, Role,
    Status, StoreError,
};
pub use error::{ChatError, ReplyError};
pub use event::ChatEvent;
pub use export::{Export, ExportFormat};
pub use import::ImportError;
pub use model::{LoadedModel, LoadingModel, ModelCard, ModelError, ModelState};
pub use sampling::{SamplingName, SamplingSource, SamplingView, SettingView};

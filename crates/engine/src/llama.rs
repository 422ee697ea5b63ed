//! Safe wrappers around the parts of llama.cpp that the engine uses.
//!
//! llama-cpp-2 serves for what it does well (back ends, devices). Models, contexts and samplers are our own:
//! the shim needs their pointers, which llama-cpp-2 keeps to itself.

mod adapter;
mod batch;
mod context;
mod error;
mod heads;
mod log;
mod memory;
mod model;
mod path;
mod projector;
mod recent;
mod reply_parser;
mod sampler;
mod shim;
mod template;
mod vocabulary;

pub(crate) use adapter::{LoraAdapter, adapter_fault};
pub(crate) use context::{Context, ContextSettings, DecodeOutcome, Row, SEQUENCES, SequenceIndex};
pub(crate) use error::LlamaError;
pub(crate) use heads::{Guess, Heads, says_heads};
pub(crate) use log::{capture_errors, route_logs_to_stderr, take_errors};
pub(crate) use memory::{MemoryUse, measure_memory};
pub(crate) use model::{LoadOutcome, Model, ModelSettings, can_draft, can_split_rows};
pub(crate) use path::c_path;
pub(crate) use projector::{MediaChunk, MediaPiece, Projector, Signal, projector_fault, projector_kinds};
pub(crate) use reply_parser::{ReplyDelta, ReplyParser};
pub(crate) use sampler::Sampler;
pub(crate) use template::{AppliedTemplate, Templates, schema_to_grammar};
pub(crate) use vocabulary::{TextKind, Token, Vocabulary};

/// Names the llama.cpp that computes.
pub(crate) const VERSION: &str = env!("ENGAWA_LLAMA");

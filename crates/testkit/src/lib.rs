//! Makes small models for tests: GGUF files with random, scripted or deliberately broken content.
//!
//! A development dependency only. It must not know llama.cpp: the files it writes are read by whatever is under test.

#![forbid(unsafe_code)]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "the sizes of test models are small, and the formats fix the widths of their numbers"
)]

pub mod gguf;
pub mod scripted_engine;
pub mod tokenizer;

mod error;
mod fault;
mod noise;
mod random_adapter;
mod random_model;
mod random_projector;
mod scripted_model;
mod template;
mod wave;

pub use error::TestkitError;
pub use fault::Fault;
pub use noise::Noise;
pub use random_adapter::RandomAdapter;
pub use random_model::{Architecture, RandomModel};
pub use random_projector::RandomProjector;
pub use scripted_model::{Scope, ScriptedFile, ScriptedModel};
pub use template::{CHATML, Template};
pub use wave::wave;

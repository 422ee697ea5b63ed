//! What there is to choose from: model files as their headers describe them, characters and sampling presets.
//!
//! It reads files and never loads a model: it must not know llama.cpp, and nothing of windows or servers.

#![forbid(unsafe_code)]

pub mod gguf_header;
pub mod presets;

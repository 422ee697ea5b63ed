//! Loads and runs one model with llama.cpp, as a child process of the app.
//!
//! The only crate that knows llama.cpp. It must not know conversations, characters, files of the app or the
//! network: it reads requests from its standard input, computes, and writes events to its standard output.
//! llama.cpp ends its process on a failed assertion, so nothing else lives in this one.

mod child;
#[cfg(target_os = "linux")]
mod contention;
mod draft_heads;
mod draft_model;
mod drafter;
mod embedding;
mod generation;
mod grammar;
mod inference;
mod llama;
mod load;
mod logprobs;
mod media;
mod outbox;
mod parts;
mod plan;
mod prompt;
mod saved;
mod sequence;
mod sound;
mod speculation;
mod task;
mod text_stream;
mod threads;

pub use child::run_if_engine_child;

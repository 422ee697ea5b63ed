//! The engine as a child process, over its real pipe, with models whose replies are known.

#![expect(clippy::unwrap_used, reason = "a test may end at the first thing that is not as it should be")]

mod adapter;
mod batching;
mod cancel;
mod constraint;
mod death;
mod demo;
mod drafts;
mod embedding;
mod load;
mod media;
#[cfg(target_os = "linux")]
mod offload;
mod prefix;
mod reply;
mod sampling;
mod saved;
mod support;
mod tools;

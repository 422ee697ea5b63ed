//! Runs an engine as a child process and speaks its protocol.
//!
//! Knows processes and pipes, not conversations. Treats the engine as something that can die, hang or talk nonsense
//! at any moment: each request then ends with an [`ExitReport`], exactly once.
#![forbid(unsafe_code)]

mod embedding;
mod engine;
mod exit;
mod process;
mod reply;
mod routes;

pub use embedding::{Embeddings, Ranking};
pub use engawa_engine_protocol as protocol;
pub use engine::{Engine, ExitWatch, LoadEvent, StartError};
pub use exit::{ExitCause, ExitReport};
pub use process::EngineProgram;
pub use reply::{Reply, ReplyControl, ReplyEvent};

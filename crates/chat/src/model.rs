//! The model that answers: opened, watched, opened again after a crash.

mod fallback;
mod saved_states;
mod state;
mod supervisor;

pub use state::{LoadedModel, LoadingModel, ModelCard, ModelError, ModelState};
pub(crate) use supervisor::{Answering, Models};

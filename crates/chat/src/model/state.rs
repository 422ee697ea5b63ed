//! What can be said of a model at a moment.

use std::path::{Path, PathBuf};
use std::time::Duration;

use engawa_catalog::gguf_header::{GgufError, GgufHeader, ModelSummary};
use engawa_engine_client::ExitReport;
use engawa_engine_client::protocol::{LoadError, LoadSettings, ModelInfo};

use crate::memory;

/// Where the one model is in its life.
#[derive(Debug, Clone, Default)]
pub enum ModelState {
    /// None was asked for.
    #[default]
    None,
    /// It is being loaded.
    Loading(LoadingModel),
    /// It answers.
    Ready(Box<LoadedModel>),
    /// It could not be loaded, or its engine ended.
    Failed {
        /// The file.
        path: PathBuf,
        /// What the file calls itself.
        name: String,
        /// Why.
        error: ModelError,
    },
}

/// A model on its way.
#[derive(Debug, Clone)]
pub struct LoadingModel {
    /// The file.
    pub path: PathBuf,
    /// What the file calls itself.
    pub name: String,
    /// Bytes.
    pub file_bytes: u64,
    /// 0..=1.
    pub progress: f32,
    /// From the pace so far; `None` until there is one.
    pub remaining: Option<Duration>,
}

/// A model that answers.
#[derive(Debug, Clone)]
pub struct LoadedModel {
    /// The file.
    pub path: PathBuf,
    /// What the header says.
    pub summary: ModelSummary,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// What the engine says.
    pub info: ModelInfo,
    /// How it was loaded.
    pub settings: LoadSettings,
    /// How it should have been loaded, if that did not work.
    pub asked: Option<LoadSettings>,
    /// How to load it next time: without what did not work, but with what only did not fit the memory that was free.
    pub lasting: LoadSettings,
}

/// What is shown of a file before it is loaded.
#[derive(Debug, Clone)]
pub struct ModelCard {
    /// The file.
    pub path: PathBuf,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// What the header says.
    pub summary: ModelSummary,
    /// Bytes of memory free now, where that can be told.
    pub available_bytes: Option<u64>,
    /// What it would be loaded with.
    pub settings: LoadSettings,
}

/// Why a model is not there.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ModelError {
    /// The header is not that of a usable GGUF.
    #[error(transparent)]
    File(std::sync::Arc<GgufError>),
    /// The engine refused it.
    #[error(transparent)]
    Load(LoadError),
    /// The engine ended while it loaded the model, or after.
    #[error("the engine stopped")]
    EngineEnded(ExitReport),
    /// The engine could not be started at all.
    #[error("the engine could not be started: {0}")]
    NoEngine(String),
    /// It ended too often; only a person starts it again.
    #[error("the engine stopped several times within a minute")]
    EndsTooOften,
}

impl ModelCard {
    /// Reads the header. Blocks.
    ///
    /// # Errors
    /// [`ModelError::File`].
    pub(crate) fn read(path: &Path) -> Result<Self, ModelError> {
        let header = GgufHeader::read(path).map_err(|error| ModelError::File(error.into()))?;
        let summary = ModelSummary::new(&header, path);
        let trained = summary.context_length.and_then(|length| u32::try_from(length).ok()).unwrap_or(u32::MAX);
        let defaults = LoadSettings::default();
        let settings = LoadSettings { n_ctx: defaults.n_ctx.min(trained), ..defaults };
        let available_bytes = memory::available_bytes();
        Ok(Self { path: path.to_owned(), file_bytes: header.file_bytes, summary, available_bytes, settings })
    }
}

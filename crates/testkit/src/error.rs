use std::path::{Path, PathBuf};

/// Why a test model could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TestkitError {
    /// The file could not be written.
    #[error("could not write {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },

    /// The sizes asked for do not make a model.
    #[error("the shape does not make a model: {what}")]
    Shape {
        /// What does not fit.
        what: String,
    },

    /// A trigger cannot become a token of its own.
    #[error("the trigger {trigger:?} cannot be used: {why}")]
    Trigger {
        /// The word.
        trigger: String,
        /// What stands against it.
        why: &'static str,
    },

    /// A scripted model has no room for so much text.
    #[error("the replies need {needed} distinct pieces, and {limit} is the limit")]
    TooLong {
        /// The pieces of all replies.
        needed: usize,
        /// The most that a model can hold.
        limit: usize,
    },

    /// Two replies hold the same short text with different words after it.
    #[error("the text {text:?} is too short to be told from where it also occurs")]
    Repeated {
        /// The text as the vocabulary spells it.
        text: String,
    },
}

impl TestkitError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { path, source }
    }
}

use std::io;
use std::path::PathBuf;

/// Why a text was not taken as a character card.
#[derive(Debug, thiserror::Error)]
pub enum CardError {
    /// The text is larger than any card.
    #[error("the card is larger than {limit} bytes")]
    TooLarge {
        /// The largest size in bytes.
        limit: usize,
    },

    /// The text is not JSON, or a field has another type than the format says.
    #[error("the card is not valid JSON of a character card")]
    NotACard(#[source] serde_json::Error),

    /// The card says that it follows a format which is not known here.
    #[error("the card is of the unknown format {0:?}")]
    UnknownFormat(String),

    /// The character has no name.
    #[error("the card has no name")]
    NoName,

    /// A field is longer than a person could have meant.
    #[error("the field {field} is longer than {limit} {unit}")]
    TooLong {
        /// The name of the field in the file.
        field: &'static str,
        /// The greatest length.
        limit: usize,
        /// What the length counts.
        unit: &'static str,
    },
}

/// Why a file was not taken as a sampling preset.
#[derive(Debug, thiserror::Error)]
pub enum PresetError {
    /// The file could not be read.
    #[error("the file could not be read")]
    Io(#[from] io::Error),

    /// The file is larger than any preset.
    #[error("the file is larger than {limit} bytes")]
    TooLarge {
        /// The largest size in bytes.
        limit: u64,
    },

    /// The file is not what it should be.
    #[error("the file is not a sampling preset")]
    NotAPreset(#[source] serde_json::Error),

    /// The file is not a character card.
    #[error("the file is not a character card that can be used")]
    Card(#[from] CardError),
}

/// A file in a presets folder that could not be used.
#[derive(Debug)]
pub struct CardProblem {
    /// The file, or the folder if that could not be read.
    pub path: PathBuf,
    /// What is wrong with it.
    pub error: PresetError,
}

use std::io;

/// Why a file was not taken as a model.
#[derive(Debug, thiserror::Error)]
pub enum GgufError {
    /// There is no such file.
    #[error("the file is not there; it may have been moved or renamed")]
    NotFound,

    /// The operating system does not let us read it.
    #[error("the file may not be read; check its permissions")]
    NoPermission,

    /// The path leads to a folder, a device or a pipe.
    #[error("this is not a file")]
    NotAFile,

    /// The file does not begin like a GGUF file.
    #[error("this is not a GGUF file; if it was downloaded, the page of the download may have been saved instead")]
    NotGguf,

    /// The file is GGUF of a version that is not read here.
    #[error("this is a GGUF file of version {0}, and only versions 2 and 3 can be read")]
    UnsupportedVersion(u32),

    /// The file ends too early. Lengths are in bytes.
    #[error("the file is cut short: {actual} bytes of at least {expected}; download it again")]
    Truncated {
        /// The least length that the file would need.
        expected: u64,
        /// The length that it has.
        actual: u64,
    },

    /// The file contradicts itself or goes beyond what any real model needs.
    #[error("the file is damaged: {what}")]
    Damaged {
        /// What is wrong, for a person to read.
        what: String,
    },

    /// Reading failed for another reason.
    #[error("the file could not be read")]
    Io(#[source] io::Error),
}

impl GgufError {
    pub(super) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged { what: what.into() }
    }
}

impl From<io::Error> for GgufError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound,
            io::ErrorKind::PermissionDenied => Self::NoPermission,
            _ => Self::Io(error),
        }
    }
}

//! The command line: `engawa-desktop [--demo FILE] [FILE]`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What Engawa was started with.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Arguments {
    /// A model to open.
    pub(crate) model: Option<PathBuf>,
    /// A model that is offered as the demo, and opened when there is no other.
    pub(crate) demo: Option<PathBuf>,
}

impl Arguments {
    /// The arguments of this process.
    pub(crate) fn from_environment() -> Self {
        let folder = std::env::current_dir().unwrap_or_default();
        Self::parse(std::env::args_os().skip(1), &folder)
    }

    /// Reads arguments; paths are seen from `folder`. What is not understood is left out: a window opens in any case.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>, folder: &Path) -> Self {
        let mut parsed = Self::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            if argument == "--demo" {
                parsed.demo = arguments.next().map(|path| folder.join(path));
            } else if !argument.to_string_lossy().starts_with('-') {
                parsed.model = Some(folder.join(argument));
            }
        }
        parsed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Arguments {
        Arguments::parse(arguments.iter().map(OsString::from), Path::new("/home/mika"))
    }

    #[test]
    fn a_file_is_a_model_and_paths_are_seen_from_the_folder() {
        let model = |path: &str| Arguments { model: Some(path.into()), demo: None };
        assert_eq!(parse(&[]), Arguments::default());
        assert_eq!(parse(&["日本 モデル.gguf"]), model("/home/mika/日本 モデル.gguf"));
        assert_eq!(parse(&["--strange", "/models/a.gguf"]), model("/models/a.gguf"));
        assert_eq!(
            parse(&["--demo", "demo.gguf"]),
            Arguments { model: None, demo: Some("/home/mika/demo.gguf".into()) }
        );
    }
}

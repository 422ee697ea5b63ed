//! The command line: `engawa-desktop [--demo | --or-demo] [FILE]`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What Engawa was started with.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Arguments {
    /// A model to open.
    pub(crate) model: Option<PathBuf>,
    /// When the demo model opens by itself.
    pub(crate) demo: DemoStart,
}

/// When the demo model opens by itself; the welcome screen offers it in any case.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DemoStart {
    /// Never.
    #[default]
    Offered,
    /// `--or-demo`: when there is no model that was used last.
    WithoutOther,
    /// `--demo`: always.
    Always,
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
        for argument in arguments {
            match argument.to_str() {
                Some("--demo") => parsed.demo = DemoStart::Always,
                Some("--or-demo") => parsed.demo = DemoStart::WithoutOther,
                Some(option) if option.starts_with('-') => {}
                _ => parsed.model = Some(folder.join(argument)),
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
        let model = |path: &str| Arguments { model: Some(path.into()), demo: DemoStart::Offered };
        assert_eq!(parse(&[]), Arguments::default());
        assert_eq!(parse(&["日本 モデル.gguf"]), model("/home/mika/日本 モデル.gguf"));
        assert_eq!(parse(&["--strange", "/models/a.gguf"]), model("/models/a.gguf"));
    }

    #[test]
    fn the_demo_is_opened_when_asked_for() {
        assert_eq!(parse(&["--demo"]).demo, DemoStart::Always);
        assert_eq!(parse(&["--or-demo"]).demo, DemoStart::WithoutOther);
        assert_eq!(parse(&["a.gguf"]).demo, DemoStart::Offered);
    }
}

//! The checks of `cargo xtask test`, one file each, and how they report what they found.

pub(crate) mod backend_boundary;
pub(crate) mod clippy;
pub(crate) mod dependency_direction;
mod dependency_rules;
pub(crate) mod format;
pub(crate) mod javascript_types;
pub(crate) mod locales;
pub(crate) mod relative_imports;
mod web_source;

use std::fmt;

use anyhow::{Result, bail};

/// Something that must not be in the repository, and where it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// A file with a line, a package or a key.
    pub(crate) place: String,
    pub(crate) message: String,
}

impl Finding {
    pub(crate) fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { place: place.into(), message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.message)
    }
}

/// Fails with all findings, one a line; no findings are success.
///
/// # Errors
///
/// When there are findings.
pub(crate) fn report(findings: &[Finding]) -> Result<()> {
    if findings.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = findings.iter().map(|finding| format!("  {finding}")).collect();
    let count = match findings.len() {
        1 => "1 problem".to_owned(),
        several => format!("{several} problems"),
    };
    bail!("{count}\n{}", lines.join("\n"));
}

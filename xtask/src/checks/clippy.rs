//! Clippy and the compiler have nothing to say, tests included.

use std::path::Path;

use anyhow::Result;

use crate::process;

/// Runs clippy over the workspace; each warning counts.
///
/// # Errors
///
/// When there is a warning or an error; clippy has then shown it.
pub(crate) fn check(root: &Path) -> Result<()> {
    process::run_visibly(process::cargo(root).args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "--deny",
        "warnings",
    ]))
}

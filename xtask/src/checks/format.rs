//! All Rust code is formatted by rustfmt.

use std::path::Path;

use anyhow::Result;

use crate::process;

/// Compares every Rust file with what rustfmt makes of it.
///
/// # Errors
///
/// When a file differs; rustfmt has then shown how.
pub(crate) fn check(root: &Path) -> Result<()> {
    process::run_visibly(process::cargo(root).args(["fmt", "--all", "--check"]))
}

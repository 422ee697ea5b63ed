//! Where the repository's files are.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::process;

/// Returns the repository's root folder.
pub(crate) fn root() -> PathBuf {
    // Cargo sets the variable when it starts us; the folder of the build serves when somebody starts the file itself.
    let package =
        std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    package.parent().map_or(package.clone(), Path::to_owned)
}

/// Returns the folder that cargo builds into, which a person may have moved.
///
/// # Errors
///
/// When cargo can't describe the workspace.
pub(crate) fn target_folder(root: &Path) -> Result<PathBuf> {
    let output = process::run_quietly(process::cargo(root).args(["metadata", "--format-version", "1", "--no-deps"]))?;
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).context("while reading what `cargo metadata` wrote")?;
    let folder = metadata["target_directory"].as_str().context("`cargo metadata` did not name the target folder")?;
    Ok(PathBuf::from(folder))
}

/// Lists the files below a folder, sorted, without hidden ones and `node_modules`; none if it does not exist.
///
/// # Errors
///
/// When a folder can't be read.
pub(crate) fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        if !folder.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&folder).with_context(|| format!("while listing {}", folder.display()))? {
            let entry = entry?;
            let name = entry.file_name();
            if name.to_string_lossy().starts_with('.') || name == "node_modules" {
                continue;
            }
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Writes a path as seen from the root, with `/` on every system.
pub(crate) fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root)
        .unwrap_or(path)
        .components()
        .map(|component| component.as_os_str().to_string_lossy())
        .collect::<Vec<_>>()
        .join("/")
}

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
    let metadata = metadata(root, &["--no-deps"])?;
    let folder = metadata["target_directory"].as_str().context("`cargo metadata` did not name the target folder")?;
    Ok(PathBuf::from(folder))
}

/// Returns the version of a package that the workspace depends on and the folder of its source.
///
/// # Errors
///
/// When cargo can't describe the workspace or does not know the package.
pub(crate) fn dependency(root: &Path, name: &str) -> Result<(String, PathBuf)> {
    let metadata = metadata(root, &["--locked"])?;
    let package = metadata["packages"]
        .as_array()
        .and_then(|packages| packages.iter().find(|package| package["name"] == name))
        .with_context(|| format!("`cargo metadata` does not know {name}"))?;
    let text = |key: &str| package[key].as_str().with_context(|| format!("`cargo metadata` lacks {key} of {name}"));
    let folder = Path::new(text("manifest_path")?).parent().map(Path::to_owned).unwrap_or_default();
    Ok((text("version")?.to_owned(), folder))
}

fn metadata(root: &Path, arguments: &[&str]) -> Result<serde_json::Value> {
    let output =
        process::run_quietly(process::cargo(root).args(["metadata", "--format-version", "1"]).args(arguments))?;
    serde_json::from_slice(&output.stdout).context("while reading what `cargo metadata` wrote")
}

/// Copies a file into a folder, where a running program may have the old one mapped: that is replaced, never written into.
///
/// # Errors
///
/// When the file can't be read or the folder can't be written to.
pub(crate) fn replace_file(file: &Path, folder: &Path) -> Result<()> {
    let name = file.file_name().context("a file to copy has a name")?;
    let (target, fresh) = (folder.join(name), folder.join(format!(".{}.new", name.to_string_lossy())));
    fs::create_dir_all(folder)
        .and_then(|()| fs::copy(file, &fresh))
        .and_then(|_| fs::rename(&fresh, &target))
        .with_context(|| format!("while copying {} to {}", file.display(), folder.display()))
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

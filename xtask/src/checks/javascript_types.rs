//! The window's JavaScript agrees with the types in its comments.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{Finding, report};
use crate::{process, repository};

/// Where TypeScript's version is pinned.
const SOURCE_FOLDER: &str = "xtask/javascript-types";
const PROJECT_FILE: &str = "ui/jsconfig.json";
/// Where npm puts TypeScript's own executable, in a package per system. It is run as it is: Node.js is there for npm
/// only, and the one of an older Ubuntu is too old for the launcher in JavaScript.
const PLATFORM_PACKAGES: &str = "node_modules/@typescript";

/// Installs TypeScript below the target folder, unless it is there, and runs it over `ui/`.
///
/// # Errors
///
/// When the types don't agree, or TypeScript can't be installed.
pub(crate) fn check(root: &Path) -> Result<()> {
    let lock_path = format!("{SOURCE_FOLDER}/package-lock.json");
    let lock = fs::read_to_string(root.join(&lock_path)).with_context(|| format!("while reading {lock_path}"))?;
    let lock_tree: Value = serde_json::from_str(&lock).with_context(|| format!("while reading {lock_path}"))?;
    report(&recorded_addresses(&lock_path, &lock_tree))?;
    if !root.join(PROJECT_FILE).is_file() {
        bail!("{PROJECT_FILE} is missing; it tells TypeScript which files to read");
    }
    let folder = repository::target_folder(root)?.join("javascript-types");
    install(root, &folder, &lock)?;
    process::run_visibly(
        Command::new(executable(&folder)?)
            .args(["--project", PROJECT_FILE, "--noEmit"])
            .current_dir(root)
            .stdin(Stdio::null()),
    )
}

/// Finds addresses to download from: a lock file is for every registry, so it must not name one.
fn recorded_addresses(path: &str, lock: &Value) -> Vec<Finding> {
    lock["packages"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(package, entry)| Some((package, entry["resolved"].as_str()?)))
        .map(|(package, address)| {
            Finding::new(
                format!("{path}: {package}"),
                format!("records the address {address}; write it with `npm install --omit-lockfile-registry-resolved`"),
            )
        })
        .collect()
}

/// The compiler that was installed for this system.
fn executable(folder: &Path) -> Result<PathBuf> {
    let packages = folder.join(PLATFORM_PACKAGES);
    let name = format!("lib/tsc{}", env::consts::EXE_SUFFIX);
    let entries = fs::read_dir(&packages).with_context(|| format!("while reading {}", packages.display()))?;
    let found = entries.flatten().map(|entry| entry.path().join(&name)).find(|path| path.is_file());
    found.with_context(|| format!("TypeScript has no executable for this system in {}", packages.display()))
}

/// Installs what the lock file names, unless the last installation was made from the same one.
fn install(root: &Path, folder: &Path, lock: &str) -> Result<()> {
    let stamp = folder.join("installed-lock.json");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    fs::create_dir_all(folder).with_context(|| format!("while making {}", folder.display()))?;
    for name in ["package.json", "package-lock.json", ".npmrc"] {
        let source = root.join(SOURCE_FOLDER).join(name);
        fs::copy(&source, folder.join(name)).with_context(|| format!("while copying {}", source.display()))?;
    }
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    process::run_visibly(Command::new(npm).args(["ci", "--ignore-scripts"]).current_dir(folder).stdin(Stdio::null()))
        .context("TypeScript could not be installed; the first time, this needs a network")?;
    fs::write(&stamp, lock).with_context(|| format!("while writing {}", stamp.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_address_in_the_lock_file_is_found() {
        let lock = json!({"packages": {
            "": {"name": "types"},
            "node_modules/a": {"version": "1.0.0", "integrity": "sha512-x"},
            "node_modules/b": {"version": "1.0.0", "resolved": "https://registry.example/b.tgz"}
        }});
        let findings = recorded_addresses("package-lock.json", &lock);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].place, "package-lock.json: node_modules/b");
    }
}

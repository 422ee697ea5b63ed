//! Starts other programs with the environment that they would have had without cargo around us.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};

/// Returns a command for the same cargo that started this program.
pub(crate) fn cargo(root: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root).stdin(Stdio::null());
    restore_environment(&mut command);
    command
}

/// Takes back what `cargo run` added to the environment of this program, and drops `SOURCE_DATE_EPOCH`.
///
/// With `SOURCE_DATE_EPOCH` set, ggml builds itself without any SIMD, many times slower. `LD_LIBRARY_PATH` names the
/// debug build's folder, from which a release build could pick up a wrong llama.cpp.
pub(crate) fn restore_environment(command: &mut Command) {
    command.env_remove("SOURCE_DATE_EPOCH");
    for (name, _) in env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with("CARGO_PKG_") || name_text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    let Some(library_path) = env::var_os("LD_LIBRARY_PATH") else {
        return;
    };
    let added_by_cargo: Vec<PathBuf> = [
        env::current_exe().ok().and_then(|executable| executable.parent().map(Path::to_owned)),
        env::var_os("CARGO").map(PathBuf::from).and_then(|cargo| cargo.parent()?.parent().map(Path::to_owned)),
    ]
    .into_iter()
    .flatten()
    .collect();
    match library_path_without(&library_path, &added_by_cargo) {
        Some(rest) => command.env("LD_LIBRARY_PATH", rest),
        None => command.env_remove("LD_LIBRARY_PATH"),
    };
}

/// Removes the entries that lie in one of the folders; `None` when nothing is left.
fn library_path_without(library_path: &OsString, folders: &[PathBuf]) -> Option<OsString> {
    let rest: Vec<PathBuf> = env::split_paths(library_path)
        .filter(|entry| !folders.iter().any(|folder| entry.starts_with(folder)))
        .collect();
    if rest.is_empty() {
        return None;
    }
    env::join_paths(rest).ok()
}

/// Runs a command whose output goes to the terminal, after showing its line.
///
/// # Errors
///
/// When it can't be started or does not end with success.
pub(crate) fn run_visibly(command: &mut Command) -> Result<()> {
    let line = command_line(command);
    eprintln!("  `{line}`");
    let status = command.status().with_context(|| format!("while starting `{line}`"))?;
    if !status.success() {
        bail!("`{line}` did not succeed ({status})");
    }
    Ok(())
}

/// Runs a command quietly and returns what it wrote.
///
/// # Errors
///
/// When it can't be started or does not end with success; then the message holds what it wrote to stderr.
pub(crate) fn run_quietly(command: &mut Command) -> Result<Output> {
    let line = command_line(command);
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("while starting `{line}`"))?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        bail!("`{line}` did not succeed ({})\n{}", output.status, message.trim_end());
    }
    Ok(output)
}

/// Says whether a program can be found on `PATH`.
pub(crate) fn is_on_path(program: &str) -> bool {
    let file_name = format!("{program}{}", env::consts::EXE_SUFFIX);
    env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(&file_name).is_file()))
}

/// Writes a command as a person would type it.
fn command_line(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or(program.as_os_str());
    std::iter::once(program)
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn only_the_folders_that_cargo_added_leave_the_library_path() {
        let folders = [PathBuf::from("/code/target/debug"), PathBuf::from("/rust/stable")];
        let without = |path: &str| library_path_without(&path.into(), &folders);
        assert_eq!(without("/code/target/debug/deps:/opt/cuda/lib:/rust/stable/lib"), Some("/opt/cuda/lib".into()));
        assert_eq!(without("/code/target/debug:/rust/stable/lib"), None);
    }

    #[test]
    fn a_command_line_names_the_program_without_its_folder() {
        let mut command = Command::new("/somewhere/bin/cargo");
        command.args(["build", "--workspace"]);
        assert_eq!(command_line(&command), "cargo build --workspace");
    }
}

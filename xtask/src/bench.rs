//! `cargo xtask bench`: builds Engawa and its benchmark with optimisation and measures.

use std::env;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::packages::{self, Purpose};
use crate::{process, repository};

/// Runs the benchmark with the arguments; the exit code is the benchmark's.
///
/// # Errors
///
/// When something is missing that can't be installed, or the build fails.
pub(crate) fn bench(arguments: &[String]) -> Result<ExitCode> {
    packages::ensure(Purpose::BuildAndTest)?;
    let root = repository::root();
    process::run_visibly(process::cargo(&root).args([
        "build",
        "--release",
        "-p",
        "engawa-desktop",
        "-p",
        "engawa-bench",
    ]))
    .context("the benchmark could not be built; the compiler's messages are above")?;

    let executable =
        repository::target_folder(&root)?.join("release").join(format!("engawa-bench{}", env::consts::EXE_SUFFIX));
    let mut command = Command::new(&executable);
    command.args(arguments);
    process::restore_environment(&mut command);
    let status = command.status().with_context(|| format!("while starting {}", executable.display()))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

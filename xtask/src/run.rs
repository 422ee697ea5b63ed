//! `cargo xtask run`: builds the window and starts it.

use std::env;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::packages::{self, Purpose};
use crate::{gpu, process, repository};

/// What was asked for on the command line.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) profile: Profile,
    pub(crate) model: Model,
    pub(crate) gpu: gpu::Wanted,
    /// Passed on to Engawa.
    pub(crate) arguments: Vec<String>,
}

/// How Engawa is built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Profile {
    #[default]
    Release,
    Debug,
}

/// What Engawa talks with at its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Model {
    /// What it had last time, else the demo model, so that a newcomer without a model sees it work.
    #[default]
    Last,
    /// The demo model that comes with Engawa.
    Demo,
}

/// Builds Engawa, starts it and waits; the exit code is Engawa's.
///
/// # Errors
///
/// When there is no screen, something is missing that can't be installed, or the build fails.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    // Before the build, which may take a quarter of an hour.
    check_for_screen()?;
    packages::ensure(Purpose::Build)?;
    let root = repository::root();
    let folder = repository::target_folder(&root)?.join(match options.profile {
        Profile::Release => "release",
        Profile::Debug => "debug",
    });
    let executable = folder.join(format!("engawa-desktop{}", env::consts::EXE_SUFFIX));
    build(&root, options.profile, executable.is_file())?;
    gpu::build(&root, &options.gpu, &folder)?;

    let mut command = Command::new(&executable);
    command.arg(match options.model {
        Model::Last => "--or-demo",
        Model::Demo => "--demo",
    });
    eprintln!("Starting Engawa.");
    command.args(&options.arguments);
    process::restore_environment(&mut command);
    let status = command.status().with_context(|| format!("while starting {}", executable.display()))?;
    if status.success() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("Engawa ended with {status}.");
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

fn check_for_screen() -> Result<()> {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    if cfg!(target_os = "linux") && !is_set("DISPLAY") && !is_set("WAYLAND_DISPLAY") {
        bail!(
            "there is no screen to open the window on: neither `DISPLAY` nor `WAYLAND_DISPLAY` is set\n\n\
             Start it from a terminal inside a desktop session. Over SSH, `ssh -X` brings a screen along; \
             to try it without one, `xvfb-run cargo xtask run`."
        );
    }
    Ok(())
}

fn build(root: &Path, profile: Profile, was_built_before: bool) -> Result<()> {
    if was_built_before {
        eprintln!("Building Engawa: only what changed since the last time.");
    } else {
        eprintln!(
            "Building Engawa. The first time, llama.cpp is compiled too: about 15 minutes on 2 cores. \
             Later builds take seconds."
        );
    }
    let started = Instant::now();
    let mut command = process::cargo(root);
    command.arg("build");
    if profile == Profile::Release {
        command.arg("--release");
    }
    process::run_visibly(command.args(["-p", "engawa-desktop", "--bin", "engawa-desktop"]))
        .context("Engawa could not be built; the compiler's messages are above")?;
    eprintln!("Built in {:.0} s.", started.elapsed().as_secs_f64());
    Ok(())
}

//! `cargo xtask test`: every check and test, the quick ones first.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::checks::{
    backend_boundary, clippy, dependency_direction, format, javascript_types, locales, relative_imports,
};
use crate::packages::{self, Purpose};
use crate::{gpu, process, repository};

/// What was asked for on the command line.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) extent: Extent,
    /// Only tests whose name contains this run; the checks run all the same.
    pub(crate) filter: Option<String>,
}

/// How much is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Extent {
    #[default]
    Everything,
    /// Leaves out clippy and the tests that need a window or a GPU back end.
    Fast,
}

/// One check: its headline, what it does, and what a person can do when it fails.
struct Step {
    name: &'static str,
    run: fn(&Path, &Options) -> Result<()>,
    advice: &'static str,
    is_in_fast: bool,
}

const STEPS: &[Step] = &[
    Step {
        name: "formatting",
        run: |root, _| format::check(root),
        advice: "run `cargo fmt --all` and look at what it changed",
        is_in_fast: true,
    },
    Step {
        name: "dependency direction",
        run: |root, _| dependency_direction::check(root),
        advice: "move the code to the crate that may know both sides; the table and its reasons are in \
                 xtask/src/checks/dependency_rules.rs",
        is_in_fast: true,
    },
    Step {
        name: "backend boundary",
        run: |root, _| backend_boundary::check(root),
        advice: "ask the backend interface in ui/backend/ instead, put text on the page with `textContent`, and style with classes",
        is_in_fast: true,
    },
    Step {
        name: "relative imports",
        run: |root, _| relative_imports::check(root),
        advice: "correct the path, or add the file: the window would get index.html in its place, without an error",
        is_in_fast: true,
    },
    Step {
        name: "locales",
        run: |root, _| locales::check(root),
        advice: "give all languages in ui/locales/ the same keys and the same {placeholders}",
        is_in_fast: true,
    },
    Step {
        name: "JavaScript types",
        run: |root, _| javascript_types::check(root),
        advice: "correct the code or its JSDoc; an editor that knows ui/jsconfig.json shows the same messages",
        is_in_fast: true,
    },
    Step {
        name: "clippy",
        run: |root, _| clippy::check(root),
        advice: "correct what clippy found, or write `#[expect(lint, reason = \"…\")]` where it is wrong",
        is_in_fast: false,
    },
    Step {
        name: "build",
        run: |root, _| process::run_visibly(process::cargo(root).args(["build", "--workspace"])),
        advice: "the compiler's messages are above",
        is_in_fast: true,
    },
    Step {
        name: "tests",
        run: run_tests,
        advice: "the failures are listed above; `cargo xtask test NAME` runs a single one again",
        is_in_fast: true,
    },
    Step {
        name: "GPU offload",
        run: run_offload_tests,
        advice: "the failures are listed above; the tests use Mesa's software device, so no graphics card is at fault",
        is_in_fast: false,
    },
];

/// How a step ended.
enum Outcome {
    Passed(Duration),
    Failed(Duration),
    LeftOut,
    NotReached,
}

/// Runs the steps in order up to the first that fails, and sums up.
///
/// # Errors
///
/// When something is missing that can't be installed.
pub(crate) fn test(options: &Options) -> Result<ExitCode> {
    let root: PathBuf = repository::root();
    packages::ensure(Purpose::BuildAndTest)?;

    let mut outcomes: Vec<(&str, Outcome)> = Vec::new();
    let mut has_failed = false;
    for (index, step) in STEPS.iter().enumerate() {
        let outcome = if has_failed {
            Outcome::NotReached
        } else if options.extent == Extent::Fast && !step.is_in_fast {
            Outcome::LeftOut
        } else {
            run_step(step, &format!("[{}/{}]", index + 1, STEPS.len()), &root, options)
        };
        has_failed |= matches!(outcome, Outcome::Failed(_));
        outcomes.push((step.name, outcome));
    }

    eprint!("\n{}", summary(&outcomes));
    if has_failed {
        eprintln!("Not ready: a check failed, see above.");
        return Ok(ExitCode::FAILURE);
    }
    eprintln!("{}", closing_words(options));
    Ok(ExitCode::SUCCESS)
}

fn run_step(step: &Step, position: &str, root: &Path, options: &Options) -> Outcome {
    eprintln!("{position} {}", step.name);
    let started = Instant::now();
    let result = (step.run)(root, options);
    let taken = started.elapsed();
    match result {
        Ok(()) => {
            eprintln!("  ok, {}", seconds(taken));
            Outcome::Passed(taken)
        }
        Err(error) => {
            eprintln!("  failed, {}\n\nerror: {error:#}\nhelp: {}", seconds(taken), step.advice);
            Outcome::Failed(taken)
        }
    }
}

fn run_tests(root: &Path, options: &Options) -> Result<()> {
    let selections: &[&[&str]] = match options.extent {
        Extent::Everything => &[&["--workspace"]],
        // The tests in a real window are the integration tests of the desktop package.
        Extent::Fast => {
            &[&["--workspace", "--exclude", "engawa-desktop"], &["--package", "engawa-desktop", "--lib", "--bins"]]
        }
    };
    for selection in selections {
        process::run_visibly(process::cargo(root).arg("test").args(*selection).args(&options.filter))?;
    }
    Ok(())
}

/// Builds the Vulkan back end and runs the tests that need it, on a device in software.
fn run_offload_tests(root: &Path, options: &Options) -> Result<()> {
    if !cfg!(target_os = "linux") {
        return Ok(());
    }
    let library = gpu::library(root, gpu::Backend::Vulkan)?;
    let mut tests = process::cargo(root);
    tests.args(["test", "--workspace", "--test", "child"]).args(&options.filter).args(["--", "--ignored"]);
    process::run_visibly(tests.env("ENGAWA_VULKAN_BACKEND", library))
}

/// Writes one line for each step.
fn summary(outcomes: &[(&str, Outcome)]) -> String {
    let mut text = String::from("Summary\n");
    for (name, outcome) in outcomes {
        let (word, taken) = match outcome {
            Outcome::Passed(taken) => ("ok", seconds(*taken)),
            Outcome::Failed(taken) => ("failed", seconds(*taken)),
            Outcome::LeftOut => ("left out", String::new()),
            Outcome::NotReached => ("not run", String::new()),
        };
        // Writing to a string can't fail.
        let _ = writeln!(text, "  {word:<8} {taken:>9}  {name}");
    }
    text
}

fn closing_words(options: &Options) -> String {
    let tests = match &options.filter {
        Some(filter) => format!("every check passed, and the tests whose name contains `{filter}`"),
        None => "every check and test passed".to_owned(),
    };
    match options.extent {
        Extent::Everything => format!("Good: {tests}."),
        Extent::Fast => {
            format!("Good so far: {tests}, without clippy and the tests that need a window or a GPU back end.")
        }
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_tells_the_outcomes_apart_by_words() {
        let outcomes = [
            ("formatting", Outcome::Passed(Duration::from_millis(440))),
            ("clippy", Outcome::LeftOut),
            ("build", Outcome::Failed(Duration::from_secs(1234))),
            ("tests", Outcome::NotReached),
        ];
        let expected = "\
Summary
  ok           0.4 s  formatting
  left out            clippy
  failed    1234.0 s  build
  not run             tests
";
        assert_eq!(summary(&outcomes), expected);
    }

    #[test]
    fn a_narrowed_run_does_not_claim_that_every_test_passed() {
        let options = Options { extent: Extent::Fast, filter: Some("cancel".to_owned()) };
        assert_eq!(
            closing_words(&options),
            "Good so far: every check passed, and the tests whose name contains `cancel`, \
             without clippy and the tests that need a window or a GPU back end."
        );
    }
}

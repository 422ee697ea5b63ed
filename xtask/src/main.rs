//! Engawa's automation: prepares a machine, starts the app, tests and measures it.
//!
//! Knows nothing of the app's own crates, so that it builds in seconds on a machine that has only Rust and a linker.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this program talks to a person in a terminal")]

mod bench;
mod checks;
mod gpu;
mod packages;
mod process;
mod repository;
mod run;
mod test;
mod vulkan_headers;

use std::process::ExitCode;

use anyhow::{Result, bail};

const HELP: &str = "\
Builds, runs and tests Engawa.

Usage: cargo xtask <COMMAND>

Commands:
  setup                    install what building and testing need (Debian and Ubuntu)
        --build            only what building needs
  run [-- ARGUMENTS]       build the window and start it with the model that was used last, else with
                           the demo model; ARGUMENTS go to Engawa
        --demo             start with the demo model
        --debug            build without optimisation: quick to build, slow to answer
        --vulkan --cuda    build these GPU back ends, too; without either, those whose toolkit is found
        --cpu              build none
  test [FILTER]            run every check and every test; FILTER narrows the tests by name
        --fast             leave out clippy and the tests that need a window or a GPU back end
  bench [ARGUMENTS]        measure the engine; ARGUMENTS go to the benchmark
  help                     show this text

`run` and `test` do what `setup` does when something is missing.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(exit_code) => exit_code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the command that the arguments name.
fn dispatch(arguments: &[String]) -> Result<ExitCode> {
    let Some((command, rest)) = arguments.split_first() else {
        println!("{HELP}");
        return Ok(ExitCode::from(2));
    };
    match command.as_str() {
        "setup" => packages::setup(parse_setup(rest)?).map(|()| ExitCode::SUCCESS),
        "run" => run::run(&parse_run(rest)?),
        "test" => test::test(&parse_test(rest)?),
        "bench" => bench::bench(rest),
        "help" | "--help" | "-h" => {
            println!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        _ => bail!("there is no command `{command}`; `cargo xtask help` lists them"),
    }
}

fn parse_setup(arguments: &[String]) -> Result<packages::Purpose> {
    let mut purpose = packages::Purpose::BuildAndTest;
    for argument in arguments {
        match argument.as_str() {
            "--build" => purpose = packages::Purpose::Build,
            _ => bail!("`cargo xtask setup` does not know `{argument}`; its only option is `--build`"),
        }
    }
    Ok(purpose)
}

fn parse_run(arguments: &[String]) -> Result<run::Options> {
    let mut options = run::Options::default();
    let mut remaining = arguments.iter();
    while let Some(argument) = remaining.next() {
        match argument.as_str() {
            "--demo" => options.model = run::Model::Demo,
            "--debug" => options.profile = run::Profile::Debug,
            "--vulkan" => options.gpu.name(gpu::Backend::Vulkan),
            "--cuda" => options.gpu.name(gpu::Backend::Cuda),
            "--cpu" => options.gpu = gpu::Wanted::Named(Vec::new()),
            "--" => options.arguments.extend(remaining.by_ref().cloned()),
            _ => bail!(
                "`cargo xtask run` does not know `{argument}`; what is meant for Engawa itself goes after `--`, \
                 as in `cargo xtask run -- {argument}`"
            ),
        }
    }
    Ok(options)
}

fn parse_test(arguments: &[String]) -> Result<test::Options> {
    let mut options = test::Options::default();
    for argument in arguments {
        match argument.as_str() {
            "--fast" => options.extent = test::Extent::Fast,
            _ if argument.starts_with('-') => {
                bail!("`cargo xtask test` does not know `{argument}`; its only option is `--fast`")
            }
            _ if options.filter.is_some() => {
                bail!("`cargo xtask test` takes one filter, and `{argument}` is a second one")
            }
            _ => options.filter = Some(argument.clone()),
        }
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn run_passes_arguments_after_the_dashes_on_untouched() {
        let options = parse_run(&words("--demo --debug -- model.gguf --debug")).unwrap();
        assert_eq!(options.arguments, words("model.gguf --debug"));
        assert_eq!((options.profile, options.model), (run::Profile::Debug, run::Model::Demo));
    }

    #[test]
    fn run_builds_the_gpu_back_ends_that_are_named_else_those_that_can_be() {
        use gpu::{Backend, Wanted};
        let wanted = |line: &str| parse_run(&words(line)).unwrap().gpu;
        assert_eq!(wanted(""), Wanted::Found);
        assert_eq!(wanted("--cpu"), Wanted::Named(vec![]));
        assert_eq!(wanted("--cuda --vulkan"), Wanted::Named(vec![Backend::Cuda, Backend::Vulkan]));
    }

    #[test]
    fn run_explains_where_an_unknown_option_belongs() {
        let message = parse_run(&words("--safe")).unwrap_err().to_string();
        assert!(message.contains("`cargo xtask run -- --safe`"), "{message}");
    }

    #[test]
    fn test_takes_one_filter_and_fast_in_any_order() {
        for line in ["--fast cancel", "cancel --fast"] {
            let options = parse_test(&words(line)).unwrap();
            assert_eq!(options.filter.as_deref(), Some("cancel"), "for `{line}`");
            assert_eq!(options.extent, test::Extent::Fast, "for `{line}`");
        }
        assert!(parse_test(&words("one two")).is_err(), "a second filter is refused");
        assert!(parse_test(&words("--slow")).is_err(), "an unknown option is refused");
    }
}

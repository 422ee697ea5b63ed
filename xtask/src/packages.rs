//! What has to be on a machine before Engawa can be built and tested, and how it gets there.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::process;

/// What the machine is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Build,
    BuildAndTest,
}

/// One thing that is needed: a Debian package, and a way to see it on other systems.
struct Requirement {
    package: &'static str,
    sign: Sign,
}

/// How to see that something is there without asking the package manager.
#[derive(Clone, Copy)]
enum Sign {
    /// One of these programs is on `PATH`. It then serves on Debian too, wherever it came from.
    Program(&'static [&'static str]),
    /// `pkg-config` knows the library.
    Library(&'static str),
    /// Only the package manager knows.
    None,
}

const fn program(package: &'static str, names: &'static [&'static str]) -> Requirement {
    Requirement { package, sign: Sign::Program(names) }
}

const fn library(package: &'static str, module: &'static str) -> Requirement {
    Requirement { package, sign: Sign::Library(module) }
}

const fn package(package: &'static str) -> Requirement {
    Requirement { package, sign: Sign::None }
}

/// What building llama.cpp needs on every system.
const COMPILERS: &[Requirement] = &[
    program("cmake", &["cmake"]),
    program("ninja-build", &["ninja"]),
    program("ccache", &["ccache"]),
    program("clang", &["clang"]),
];

/// What the window needs on Linux. Windows and macOS bring their own web view.
const LINUX_BUILD: &[Requirement] = &[
    program("build-essential", &["c++"]),
    program("pkg-config", &["pkg-config"]),
    program("file", &["file"]),
    package("libclang-dev"),
    library("libwebkit2gtk-4.1-dev", "webkit2gtk-4.1"),
    library("libgtk-3-dev", "gtk+-3.0"),
    library("libdbus-1-dev", "dbus-1"),
    library("librsvg2-dev", "librsvg-2.0"),
    library("libssl-dev", "openssl"),
    // Without it GTK's file dialog shows its icons as missing.
    package("librsvg2-common"),
];

/// What the JavaScript check needs on every system.
const JAVASCRIPT: &[Requirement] = &[program("nodejs", &["node"]), program("npm", &["npm"])];

/// What the tests in a real window need: a display, a driver, a keyboard, a clipboard and fonts.
const LINUX_TEST: &[Requirement] = &[
    program("xvfb", &["Xvfb"]),
    program("webkit2gtk-driver", &["WebKitWebDriver"]),
    program("xdotool", &["xdotool"]),
    program("xclip", &["xclip"]),
    program("dbus-x11", &["dbus-launch"]),
    program("x11-utils", &["xprop"]),
    program("imagemagick", &["import", "magick"]),
    package("fonts-noto-cjk"),
    package("fonts-noto-color-emoji"),
];

/// What the Vulkan back end needs, beside headers that are new enough.
const LINUX_VULKAN: &[Requirement] =
    &[library("libvulkan-dev", "vulkan"), program("glslc", &["glslc"]), package("spirv-headers")];

/// What a Vulkan device without a graphics card needs.
const LINUX_SOFTWARE_VULKAN: &[Requirement] = &[package("mesa-vulkan-drivers")];

/// Installs what is missing for the purpose and says so when nothing is.
///
/// # Errors
///
/// When something is missing and this program can't install it; the message says what to do by hand.
pub(crate) fn setup(purpose: Purpose) -> Result<()> {
    if ensure(purpose)? == Changed::No {
        eprintln!("Everything that is needed is installed.");
    }
    Ok(())
}

/// Says whether [`ensure`] had to install something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    Yes,
    No,
}

/// Installs what is missing for the purpose, silent when nothing is.
///
/// # Errors
///
/// As for [`setup`].
pub(crate) fn ensure(purpose: Purpose) -> Result<Changed> {
    let packages = ensure_packages(requirements(purpose))?;
    let components = match purpose {
        Purpose::Build => Changed::No,
        Purpose::BuildAndTest => ensure_rust_components()?,
    };
    Ok(if packages == Changed::Yes { packages } else { components })
}

/// Installs what building the Vulkan back end needs; elsewhere than on Linux that comes with Vulkan's SDK.
///
/// # Errors
///
/// As for [`setup`].
pub(crate) fn ensure_vulkan() -> Result<()> {
    if cfg!(target_os = "linux") {
        ensure_packages(LINUX_VULKAN.iter().collect())?;
    }
    Ok(())
}

fn ensure_packages(requirements: Vec<&Requirement>) -> Result<Changed> {
    if process::is_on_path("apt-get") && process::is_on_path("dpkg-query") {
        let missing = missing_on_debian(&requirements)?;
        if missing.is_empty() {
            return Ok(Changed::No);
        }
        install_by_apt(&missing)?;
        return Ok(Changed::Yes);
    }
    let missing: Vec<&Requirement> =
        requirements.into_iter().filter(|requirement| !is_visible(requirement.sign)).collect();
    if missing.is_empty() {
        return Ok(Changed::No);
    }
    bail!(advice_without_apt(&missing, std::env::consts::OS));
}

fn requirements(purpose: Purpose) -> Vec<&'static Requirement> {
    let is_linux = cfg!(target_os = "linux");
    let tests = purpose == Purpose::BuildAndTest;
    [
        (true, COMPILERS),
        (is_linux, LINUX_BUILD),
        (tests, JAVASCRIPT),
        (tests && is_linux, LINUX_TEST),
        (tests && is_linux, LINUX_VULKAN),
        (tests && is_linux, LINUX_SOFTWARE_VULKAN),
    ]
    .into_iter()
    .filter(|(wanted, _)| *wanted)
    .flat_map(|(_, requirements)| requirements)
    .collect()
}

fn missing_on_debian(requirements: &[&Requirement]) -> Result<Vec<&'static str>> {
    let output = Command::new("dpkg-query")
        .args(["--show", "--showformat", "${Package} ${db:Status-Status}\\n"])
        .args(requirements.iter().map(|requirement| requirement.package))
        .stdin(Stdio::null())
        // It also ends with an error when it does not know one of the names, which is what we ask about.
        .output()
        .context("while asking `dpkg-query` which packages are installed")?;
    let installed = installed_packages(&String::from_utf8_lossy(&output.stdout));
    Ok(requirements
        .iter()
        .filter(|requirement| !installed.contains(requirement.package))
        .filter(|requirement| match requirement.sign {
            Sign::Program(_) => !is_visible(requirement.sign),
            Sign::Library(_) | Sign::None => true,
        })
        .map(|requirement| requirement.package)
        .collect())
}

/// Reads `dpkg-query`'s lines of a package and its state; a removed package that left its settings behind is not there.
fn installed_packages(listing: &str) -> BTreeSet<String> {
    listing.lines().filter_map(|line| line.strip_suffix(" installed")).map(str::to_owned).collect()
}

fn is_visible(sign: Sign) -> bool {
    match sign {
        Sign::Program(names) => names.iter().any(|name| process::is_on_path(name)),
        Sign::Library(module) => Command::new("pkg-config")
            .args(["--exists", module])
            .stdin(Stdio::null())
            .status()
            .is_ok_and(|status| status.success()),
        Sign::None => true,
    }
}

const APT_UPDATE: &[&str] = &["apt-get", "update"];
const APT_INSTALL: &[&str] = &[
    "env",
    "DEBIAN_FRONTEND=noninteractive",
    "apt-get",
    "install",
    "--yes",
    "--no-install-recommends",
    // Another package manager may be at work on a machine that has just started.
    "--option",
    "DPkg::Lock::Timeout=120",
];

fn install_by_apt(missing: &[&str]) -> Result<()> {
    eprintln!("Missing packages: {}", missing.join(" "));
    let by_hand = format!("apt-get update && apt-get install {}", missing.join(" "));
    let prefix: &[&str] = if is_root()? {
        &[]
    } else if !process::is_on_path("sudo") {
        bail!(
            "installing needs administrator rights, and there is no `sudo` here; run this as root, then start again:\n\n    {by_hand}\n"
        );
    } else if std::io::stdin().is_terminal() {
        eprintln!("Installing them with `sudo`, which may ask for your password.");
        &["sudo"]
    } else {
        // Nobody is there to type a password: better an error than a wait without end.
        &["sudo", "--non-interactive"]
    };
    // A package source of somebody else's that does not answer is no reason to stop: the packages may come from another.
    if let Err(error) = process::run_visibly(&mut command_of(prefix, APT_UPDATE, &[])) {
        eprintln!("warning: {error:#}; trying to install all the same");
    }
    if let Err(error) = process::run_visibly(&mut command_of(prefix, APT_INSTALL, missing)) {
        bail!("{error:#}\n\nInstall the missing packages by hand as root, then start again:\n\n    {by_hand}\n");
    }
    Ok(())
}

/// Joins words to a command that reads the terminal, where `sudo` may ask for a password.
fn command_of(prefix: &[&str], words: &[&str], packages: &[&str]) -> Command {
    let mut all = prefix.iter().chain(words).chain(packages);
    let mut command = Command::new(all.next().expect("both word lists begin with a program"));
    command.args(all);
    command
}

fn is_root() -> Result<bool> {
    let output = process::run_quietly(Command::new("id").arg("-u"))?;
    Ok(output.stdout.trim_ascii() == b"0")
}

/// Says what to install by hand on a system whose package manager this program does not know.
fn advice_without_apt(missing: &[&Requirement], operating_system: &str) -> String {
    let mut advice = String::from("some of what is needed is missing, and only `apt-get` can be used from here\n\n");
    for requirement in missing {
        let what = match requirement.sign {
            Sign::Program(names) => format!("the program `{}`", names[0]),
            Sign::Library(module) => format!("the library `{module}` with its development files"),
            Sign::None => "a package".to_owned(),
        };
        // Writing to a string can't fail.
        let _ = writeln!(advice, "    {what} (in Debian: {})", requirement.package);
    }
    advice.push('\n');
    advice.push_str(match operating_system {
        "macos" => "With Homebrew: `brew install cmake ninja ccache llvm node`. Then start again.",
        "windows" => {
            "With winget: `winget install Kitware.CMake Ninja-build.Ninja Ccache.Ccache LLVM.LLVM OpenJS.NodeJS`. \
             Then start again in a new terminal."
        }
        _ => "Install them with your distribution's package manager, then start again.",
    });
    advice
}

fn ensure_rust_components() -> Result<Changed> {
    let missing: Vec<&str> = ["rustfmt", "clippy"]
        .into_iter()
        .filter(|component| {
            let program = if *component == "clippy" { "cargo-clippy" } else { component };
            let answer = Command::new(program).arg("--version").stdin(Stdio::null()).output();
            !answer.is_ok_and(|output| output.status.success())
        })
        .collect();
    if missing.is_empty() {
        return Ok(Changed::No);
    }
    eprintln!("Missing parts of Rust: {}", missing.join(" "));
    process::run_visibly(Command::new("rustup").args(["component", "add"]).args(&missing)).with_context(|| {
        format!(
            "the checks need {}; where Rust did not come through `rustup`, install them the way Rust was installed",
            missing.join(" and ")
        )
    })?;
    Ok(Changed::Yes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_package_with_settings_left_is_missing() {
        let listing = "cmake installed\nxclip config-files\nfile not-installed\n";
        assert_eq!(installed_packages(listing), BTreeSet::from(["cmake".to_owned()]));
    }

    #[test]
    fn without_apt_the_advice_names_programs_libraries_and_a_next_step() {
        let missing = [&COMPILERS[1], &LINUX_BUILD[4]];
        let advice = advice_without_apt(&missing, "linux");
        assert!(advice.contains("the program `ninja` (in Debian: ninja-build)"), "{advice}");
        assert!(advice.contains("the library `webkit2gtk-4.1`"), "{advice}");
        assert!(advice.ends_with("then start again."), "{advice}");
    }

    #[test]
    fn building_does_not_ask_for_what_only_tests_need() {
        let names: Vec<_> = requirements(Purpose::Build).iter().map(|one| one.package).collect();
        assert!(names.contains(&"cmake"));
        assert!(!names.contains(&"nodejs") && !names.contains(&"xvfb"), "{names:?}");
    }
}

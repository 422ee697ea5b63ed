//! Headers of Vulkan and SPIR-V that are new enough for ggml.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;

/// The oldest headers that have all that ggml's Vulkan back end names (`VK_EXT_layer_settings`).
const OLDEST: (u32, u32) = (3, 272);
/// The release of Debian whose headers are taken where those of the machine are older.
const NEWER_DEBIAN: &str = "trixie";

/// A folder with `include/vulkan` and SPIR-V's headers.
pub(crate) struct Headers {
    pub(crate) prefix: PathBuf,
}

/// Headers that are on this machine and new enough.
pub(crate) fn installed() -> Option<Headers> {
    let sdk = std::env::var_os("VULKAN_SDK").map(PathBuf::from);
    sdk.into_iter().chain(["/usr".into(), "/usr/local".into()]).find_map(usable)
}

fn usable(prefix: PathBuf) -> Option<Headers> {
    let core = fs::read_to_string(prefix.join("include/vulkan/vulkan_core.h")).ok()?;
    let has_rest = ["vulkan/vulkan.hpp", "spirv/unified1/spirv.hpp"]
        .iter()
        .all(|file| prefix.join("include").join(file).is_file());
    (has_rest && version(&core)? >= OLDEST).then_some(Headers { prefix })
}

/// The minor version and the patch that `vulkan_core.h` gives itself, as in 1.3.272.
fn version(core: &str) -> Option<(u32, u32)> {
    let patch = core.lines().find_map(|line| line.strip_prefix("#define VK_HEADER_VERSION "))?.trim().parse().ok()?;
    let complete = core.lines().find_map(|line| line.strip_prefix("#define VK_HEADER_VERSION_COMPLETE "))?;
    // VK_MAKE_API_VERSION(variant, major, minor, patch)
    let minor = complete.split([',', '(', ')']).nth(3)?.trim().parse().ok()?;
    Some((minor, patch))
}

/// Takes the headers from a newer release of Debian, without installing them: they lie in a folder of the build.
///
/// # Errors
///
/// When this is not Debian, or the packages can't be fetched.
pub(crate) fn from_newer_debian(target: &Path) -> Result<Headers> {
    if let Some(headers) = fetched(target) {
        return Ok(headers);
    }
    let folder = folder(target);
    let Some(mirror) = debian_mirror() else {
        bail!(
            "the Vulkan headers on this machine are missing or older than 1.{}.{}\n\n\
             Install the Vulkan SDK from https://vulkan.lunarg.com, set `VULKAN_SDK` to its folder, then start again.",
            OLDEST.0,
            OLDEST.1
        );
    };
    eprintln!("The Vulkan headers of this Debian are too old; those of {NEWER_DEBIAN} are fetched for this build.");
    fetch(&mirror, &folder).context("the newer Vulkan headers could not be fetched")?;
    usable(folder.join("usr")).context("the packages of the newer Vulkan headers lack what is needed")
}

/// What [`from_newer_debian`] fetched before.
pub(crate) fn fetched(target: &Path) -> Option<Headers> {
    usable(folder(target).join("usr"))
}

fn folder(target: &Path) -> PathBuf {
    target.join("gpu").join(format!("headers-{NEWER_DEBIAN}"))
}

/// Where this Debian gets its packages from; `None` elsewhere.
fn debian_mirror() -> Option<String> {
    let output = Command::new("apt-get")
        .args(["indextargets", "--format", "$(ORIGIN) $(REPO_URI) $(COMPONENT)"])
        .output()
        .ok()?;
    let listing = String::from_utf8_lossy(&output.stdout).into_owned();
    mirror_in(&listing)
}

fn mirror_in(listing: &str) -> Option<String> {
    listing.lines().find_map(|line| {
        let mut words = line.split(' ');
        let (origin, address, component) = (words.next()?, words.next()?, words.next()?);
        // Security updates come from an archive that lacks what has none.
        let is_main = origin == "Debian" && component == "main" && !address.contains("security");
        is_main.then(|| address.to_owned())
    })
}

fn fetch(mirror: &str, folder: &Path) -> Result<()> {
    // apt's own state stays untouched: this one has only the other release.
    for name in ["lists/partial", "archives/partial"] {
        fs::create_dir_all(folder.join("apt").join(name))?;
    }
    let apt = folder.join("apt");
    fs::write(
        apt.join("sources.list"),
        format!("deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {mirror} {NEWER_DEBIAN} main\n"),
    )?;
    let apt_get = || {
        let mut command = Command::new("apt-get");
        command.current_dir(folder);
        for (option, value) in [
            ("Dir::Etc::SourceList", apt.join("sources.list")),
            ("Dir::Etc::SourceParts", "/dev/null".into()),
            ("Dir::State::Lists", apt.join("lists")),
            ("Dir::Cache", apt.clone()),
        ] {
            command.arg("--option").arg(format!("{option}={}", value.display()));
        }
        // The folder may be one that apt's own user can't write to.
        command.args(["--option", "APT::Sandbox::User=root", "--quiet"]);
        command
    };
    process::run_visibly(apt_get().arg("update"))?;
    process::run_visibly(apt_get().args(["download", "libvulkan-dev", "spirv-headers"]))?;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            process::run_quietly(Command::new("dpkg-deb").arg("--extract").arg(&path).arg(folder))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_the_header() {
        let core = "#define VK_HEADER_VERSION 239\n// Complete\n\
                    #define VK_HEADER_VERSION_COMPLETE VK_MAKE_API_VERSION(0, 1, 3, VK_HEADER_VERSION)\n";
        assert_eq!(version(core), Some((3, 239)));
        assert!(version(core).unwrap() < OLDEST);
        assert!((4, 309) >= OLDEST);
        assert_eq!(version("nothing"), None);
    }

    #[test]
    fn the_mirror_is_that_of_debian_itself() {
        let listing = "Somebody https://example.org/debian/ main\nDebian https://deb.example/debian-security/ main\n\
                       Debian https://deb.example/debian/ contrib\nDebian https://deb.example/debian/ main\n";
        assert_eq!(mirror_in(listing).as_deref(), Some("https://deb.example/debian/"));
        assert_eq!(mirror_in("Ubuntu https://archive.example/ubuntu/ main\n"), None);
    }
}

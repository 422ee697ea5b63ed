//! ggml's GPU back ends: compiled from the sources that came with the engine's llama.cpp, and put where the engine looks for them.
//!
//! Only the one library is built, so Engawa itself is the same with and without it, and it can be made on another machine.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::vulkan_headers::{self, Headers};
use crate::{packages, process, repository};

/// A kind of GPU back end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    /// For cards of all makers.
    Vulkan,
    /// For NVIDIA's.
    Cuda,
}

/// Which back ends are built.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Those whose toolkit is on the machine.
    #[default]
    Found,
    /// These.
    Named(Vec<Backend>),
}

impl Wanted {
    /// Adds a back end that was named.
    pub(crate) fn name(&mut self, backend: Backend) {
        match self {
            Self::Found => *self = Self::Named(vec![backend]),
            Self::Named(named) => named.push(backend),
        }
    }
}

/// What CMake needs to compile a back end.
struct Toolkit {
    arguments: Vec<String>,
    environment: Vec<(&'static str, PathBuf)>,
    /// Folders of libraries that the back end needs at run time and the system may not know.
    libraries: Vec<PathBuf>,
}

/// Builds what is wanted into the `backends` folder of a build, and takes away what an earlier build left there.
///
/// # Errors
///
/// When a back end that was named can't be built; one that was only found is left out with a warning.
pub(crate) fn build(root: &Path, wanted: &Wanted, profile: &Path) -> Result<()> {
    let folder = profile.join("backends");
    let target = repository::target_folder(root)?;
    for backend in [Backend::Vulkan, Backend::Cuda] {
        let library = match wanted {
            Wanted::Named(named) if named.contains(&backend) => Some(library(root, backend)?),
            Wanted::Named(_) => None,
            Wanted::Found => backend.toolkit(&target).and_then(|toolkit| {
                compile(root, backend, &toolkit)
                    .inspect_err(|error| eprintln!("warning: {error:#}\nEngawa runs without {}.", backend.name()))
                    .ok()
            }),
        };
        match library {
            Some(library) => repository::replace_file(&library, &folder)?,
            // One that is left from another build may belong to another llama.cpp.
            None => drop(fs::remove_file(folder.join(backend.file_name()))),
        }
    }
    Ok(())
}

/// Builds one back end, and gets what it needs before; returns its library.
///
/// # Errors
///
/// When the toolkit is missing and can't be had, or the compiler fails.
pub(crate) fn library(root: &Path, backend: Backend) -> Result<PathBuf> {
    let target = repository::target_folder(root)?;
    if backend == Backend::Vulkan {
        packages::ensure_vulkan()?;
    }
    let toolkit = match backend.toolkit(&target) {
        Some(toolkit) => toolkit,
        None if backend == Backend::Vulkan => vulkan_toolkit(&vulkan_headers::from_newer_debian(&target)?),
        None => bail!(
            "there is no CUDA compiler here: `nvcc` was looked for in `CUDA_PATH`, on `PATH` and in /usr/local/cuda\n\n\
             Install NVIDIA's CUDA toolkit, version 12 or newer, or set `CUDA_PATH` to where it is; then start again. \
             `cargo xtask run --vulkan` needs none of it and uses the same cards."
        ),
    };
    compile(root, backend, &toolkit)
}

impl Backend {
    fn name(self) -> &'static str {
        match self {
            Self::Vulkan => "Vulkan",
            Self::Cuda => "CUDA",
        }
    }

    /// ggml's name of the target and of the library.
    fn target(self) -> &'static str {
        match self {
            Self::Vulkan => "ggml-vulkan",
            Self::Cuda => "ggml-cuda",
        }
    }

    /// The name of its library.
    fn file_name(self) -> String {
        format!("{}{}{}", env::consts::DLL_PREFIX, self.target(), env::consts::DLL_SUFFIX)
    }

    /// What is on this machine, or was fetched into the folder of builds, to build it with; `None` if something is missing.
    fn toolkit(self, target: &Path) -> Option<Toolkit> {
        match self {
            Self::Vulkan => {
                let compiler = format!("bin/glslc{}", env::consts::EXE_SUFFIX);
                let sdk_glslc = env::var_os("VULKAN_SDK").map(|sdk| Path::new(&sdk).join(compiler));
                let has_glslc = process::is_on_path("glslc") || sdk_glslc.is_some_and(|path| path.is_file());
                let headers = vulkan_headers::installed().or_else(|| vulkan_headers::fetched(target));
                Some(vulkan_toolkit(&headers.filter(|_| has_glslc)?))
            }
            Self::Cuda => cuda_compiler().map(|compiler| cuda_toolkit(&compiler)),
        }
    }
}

fn vulkan_toolkit(headers: &Headers) -> Toolkit {
    let prefix = headers.prefix.display();
    Toolkit {
        arguments: vec![
            "-DGGML_VULKAN=ON".into(),
            format!("-DVulkan_INCLUDE_DIR={prefix}/include"),
            format!("-DCMAKE_PREFIX_PATH={prefix}"),
        ],
        environment: Vec::new(),
        libraries: Vec::new(),
    }
}

fn cuda_toolkit(compiler: &Path) -> Toolkit {
    let mut arguments = vec![
        "-DGGML_CUDA=ON".into(),
        "-DGGML_CUDA_NCCL=OFF".into(),
        format!("-DCMAKE_CUDA_COMPILER={}", compiler.display()),
    ];
    // For all cards it takes an hour; for the one that is here, minutes.
    if process::is_on_path("nvidia-smi") {
        arguments.push("-DCMAKE_CUDA_ARCHITECTURES=native".into());
    }
    if process::is_on_path("ccache") {
        arguments.push("-DCMAKE_CUDA_COMPILER_LAUNCHER=ccache".into());
    }
    let folder = compiler.parent().and_then(Path::parent).map(Path::to_owned);
    let libraries = folder.as_deref().map(cuda_libraries).unwrap_or_default();
    Toolkit {
        arguments,
        environment: folder.into_iter().map(|folder| ("CUDAToolkit_ROOT", folder)).collect(),
        libraries,
    }
}

/// The folders of a toolkit that have its runtime library.
fn cuda_libraries(toolkit: &Path) -> Vec<PathBuf> {
    let has_runtime = |folder: &PathBuf| {
        let files = fs::read_dir(folder).into_iter().flatten().flatten();
        files.into_iter().any(|file| file.file_name().to_string_lossy().starts_with("libcudart.so"))
    };
    let target = format!("targets/{}-linux/lib", env::consts::ARCH);
    ["lib64", "lib", target.as_str()].iter().map(|name| toolkit.join(name)).filter(has_runtime).collect()
}

fn cuda_compiler() -> Option<PathBuf> {
    let name = format!("nvcc{}", env::consts::EXE_SUFFIX);
    let named = env::var_os("CUDACXX").map(PathBuf::from);
    let of_toolkit = env::var_os("CUDA_PATH").map(|folder| Path::new(&folder).join("bin").join(&name));
    let on_path = env::var_os("PATH").into_iter().flat_map(|path| env::split_paths(&path).collect::<Vec<_>>());
    let usual = ["/usr/local/cuda/bin", "/opt/cuda/bin"].map(PathBuf::from);
    let folders = on_path.chain(usual).map(|folder| folder.join(&name));
    named.into_iter().chain(of_toolkit).chain(folders).find(|path| path.is_file())
}

fn compile(root: &Path, backend: Backend, toolkit: &Toolkit) -> Result<PathBuf> {
    let (version, source) = repository::dependency(root, "llama-cpp-sys-2")?;
    let folder = repository::target_folder(root)?.join("gpu").join(format!("{}-{version}", backend.target()));
    let library = folder.join("bin").join(backend.file_name());
    if library.is_file() {
        eprintln!("Building the {} back end: only what changed.", backend.name());
    } else {
        eprintln!("Building the {} back end. The first time this takes several minutes.", backend.name());
    }
    let started = Instant::now();
    process::run_visibly(&mut configure(&source.join("llama.cpp"), &folder, toolkit))
        .and_then(|()| {
            let mut build = Command::new("cmake");
            process::run_visibly(build.arg("--build").arg(&folder).args(["--target", backend.target()]))
        })
        .with_context(|| format!("the {} back end could not be built; the messages are above", backend.name()))?;
    eprintln!("Built in {:.0} s.", started.elapsed().as_secs_f64());
    Ok(library)
}

fn configure(source: &Path, folder: &Path, toolkit: &Toolkit) -> Command {
    let mut command = Command::new("cmake");
    process::restore_environment(&mut command);
    command.arg("-S").arg(source).arg("-B").arg(folder).args(["-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-Wno-dev"]);
    command.args(["-DBUILD_SHARED_LIBS=ON", "-DGGML_BACKEND_DL=ON", "-DGGML_NATIVE=OFF", "-DGGML_CPU=OFF"]);
    for part in ["COMMON", "TESTS", "EXAMPLES", "SERVER", "TOOLS", "APP"] {
        command.arg(format!("-DLLAMA_BUILD_{part}=OFF"));
    }
    // The library finds ggml's others where the engine is, a toolkit's where that is, and nothing elsewhere.
    let folders = toolkit.libraries.iter().map(|folder| format!(";{}", folder.display()));
    command.arg("-DCMAKE_BUILD_WITH_INSTALL_RPATH=ON");
    command.arg(format!("-DCMAKE_INSTALL_RPATH=$ORIGIN;$ORIGIN/..{}", folders.collect::<String>()));
    if process::is_on_path("ccache") {
        command.args(["-DCMAKE_C_COMPILER_LAUNCHER=ccache", "-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"]);
    }
    command.args(&toolkit.arguments);
    command.envs(toolkit.environment.iter().map(|(name, value)| (name, value)));
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folders_that_have_a_toolkits_runtime_are_found() {
        let toolkit = tempfile::tempdir().unwrap();
        assert!(cuda_libraries(toolkit.path()).is_empty());
        for folder in ["lib64", "lib"] {
            fs::create_dir(toolkit.path().join(folder)).unwrap();
        }
        fs::write(toolkit.path().join("lib64/libcudart.so.13"), []).unwrap();
        fs::write(toolkit.path().join("lib/libother.so"), []).unwrap();
        assert_eq!(cuda_libraries(toolkit.path()), [toolkit.path().join("lib64")]);
    }
}

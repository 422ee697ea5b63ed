//! Compiles the C++ shim against the very llama.cpp that the sys crate built, and puts llama.cpp's
//! shared libraries and back ends where the executables of this workspace look for them.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() {
    // The sys crate has `links = "llama"`; its output folder reaches us by this variable.
    let llama_out = PathBuf::from(env::var_os("DEP_LLAMA_ROOT").expect("llama-cpp-sys-2 names its output folder"));
    let source = source_folder(&llama_out);
    compile_shim(&source);
    // The folder of the sys crate has its version in its name.
    let version = source.parent().and_then(Path::file_name).expect("the sources lie in a package").to_string_lossy();
    println!("cargo::rustc-env=ENGAWA_LLAMA={version}");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    // OUT_DIR is <target>/<profile>/build/<package>-<hash>/out.
    let profile = out.ancestors().nth(3).expect("OUT_DIR lies four levels below the profile folder");
    stage(&llama_out, profile).expect("copying llama.cpp's libraries next to the executables");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        // DT_RPATH and not DT_RUNPATH: only the former is also used for the libraries' own dependencies.
        println!("cargo::rustc-link-arg=-Wl,--disable-new-dtags,-rpath,$ORIGIN,-rpath,$ORIGIN/..");
    }
}

/// The installed headers leave out those of `common/`; the CMake cache of that build names its source tree.
fn source_folder(llama_out: &Path) -> PathBuf {
    let cache = fs::read_to_string(llama_out.join("build/CMakeCache.txt")).expect("llama.cpp was built by CMake");
    let source = cache.lines().find_map(|line| line.strip_prefix("CMAKE_HOME_DIRECTORY:INTERNAL="));
    PathBuf::from(source.expect("a CMake cache names its source folder"))
}

fn compile_shim(source: &Path) {
    println!("cargo::rerun-if-changed=cpp");
    let mut build = cc::Build::new();
    for folder in ["common", "include", "ggml/include", "src", "tools/mtmd", "vendor"] {
        // System headers: their warnings are not ours.
        build.flag("-isystem").flag(source.join(folder));
    }
    build
        .cpp(true)
        .std("c++17")
        .files(["cpp/chat.cpp", "cpp/heads.cpp", "cpp/model.cpp", "cpp/projector.cpp", "cpp/sampler.cpp"])
        .include("cpp")
        .define("LLAMA_SHARED", None)
        .define("GGML_SHARED", None)
        .define("GGML_BACKEND_SHARED", None)
        .compile("engawa_shim");
    // The static archive's own dependencies must come after it on the linker's command line.
    for library in ["llama-common", "mtmd", "llama", "ggml", "ggml-base"] {
        println!("cargo::rustc-link-lib=dylib={library}");
    }
}

/// Copies the shared libraries into the profile folder and the back ends into its `backends/`, where the engine
/// looks for them.
fn stage(llama_out: &Path, profile: &Path) -> io::Result<()> {
    // The sys crate leaves links in all three folders that dangle without the files that they name, and its own
    // build script stops at a dangling link when it runs a second time.
    for folder in ["", "deps", "examples"] {
        let folder = profile.join(folder);
        fs::create_dir_all(&folder)?;
        copy_libraries(&llama_out.join("lib"), &folder)?;
    }
    let backends = profile.join("backends");
    fs::create_dir_all(&backends)?;
    copy_libraries(&llama_out.join("backends"), &backends)
}

fn copy_libraries(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if ![".so", ".dll", ".dylib"].iter().any(|ending| name.contains(ending)) {
            continue;
        }
        // `libllama.so` and `libllama.so.0.6.0` are for linking; what the loader asks for is `libllama.so.0`.
        // The sys crate leaves links named `libllama.so` in the target folder, which then resolve as well.
        let versions = name.split(".so").nth(1).map_or(0, |suffix| suffix.matches('.').count());
        if versions > 1 || (versions == 0 && path.is_symlink()) {
            continue;
        }
        let target = to.join(&name);
        let unchanged = fs::metadata(&target).is_ok_and(|metadata| {
            fs::metadata(&path).is_ok_and(|source| {
                source.len() == metadata.len() && source.modified().ok() <= metadata.modified().ok()
            })
        });
        if !unchanged {
            // A running program may have the old file mapped: replace it, never write into it.
            let fresh = to.join(format!(".{name}.new"));
            fs::copy(&path, &fresh)?;
            fs::rename(&fresh, &target)?;
        }
    }
    Ok(())
}

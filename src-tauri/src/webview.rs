//! What the web view needs before it exists: its environment and its files.

/// Sets what WebKitGTK reads when it starts.
///
/// Called before any thread exists; on other systems there is nothing to do.
pub(crate) fn prepare_environment() {
    #[cfg(target_os = "linux")]
    if let Some((name, value)) = dmabuf_workaround() {
        restart_with(name, value);
    }
}

/// With NVIDIA's driver, or without a GPU that can render, WebKitGTK's faster way to the screen shows blank windows.
#[cfg(target_os = "linux")]
fn dmabuf_workaround() -> Option<(&'static str, &'static str)> {
    const NAME: &str = "WEBKIT_DISABLE_DMABUF_RENDERER";
    // Under a test driver the workaround makes screenshots of a still page wait for ever.
    if std::env::var_os(NAME).is_some() || std::env::var_os("TAURI_WEBVIEW_AUTOMATION").is_some() {
        return None;
    }
    let nvidia = std::path::Path::new("/proc/driver/nvidia").exists();
    let can_render = std::fs::read_dir("/dev/dri")
        .is_ok_and(|entries| entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("renderD")));
    (nvidia || !can_render).then_some((NAME, "1"))
}

/// Starts this program again in its place with one more variable. Changing the own environment is not safe in Rust.
#[cfg(target_os = "linux")]
fn restart_with(name: &str, value: &str) {
    use std::os::unix::process::CommandExt;
    let Ok(executable) = std::env::current_exe() else { return };
    // Returns only if it failed: then the window may be blank on such a machine, and opens everywhere else.
    let error = std::process::Command::new(executable).args(std::env::args_os().skip(1)).env(name, value).exec();
    eprintln!("Engawa: while setting {name}: {error}");
}

/// The window's files, embedded; in debug builds from the folder that `ENGAWA_UI` names, so that an edit needs no build.
pub(crate) fn context() -> tauri::Context {
    #[allow(unused_mut, reason = "only debug builds change it")]
    let mut context = tauri::generate_context!();
    #[cfg(debug_assertions)]
    if let Some(folder) = std::env::var_os("ENGAWA_UI") {
        live_files::serve(&mut context, folder.into());
    }
    context
}

#[cfg(debug_assertions)]
mod live_files {
    //! The window's files from a folder instead of from the executable.

    use std::borrow::Cow;
    use std::path::{Component, Path, PathBuf};

    use tauri::utils::assets::{AssetKey, AssetsIter, CspHash};

    pub(super) fn serve(context: &mut tauri::Context, folder: PathBuf) {
        context.set_assets(Box::new(LiveFiles(folder)));
    }

    struct LiveFiles(PathBuf);

    impl tauri::Assets<tauri::Wry> for LiveFiles {
        fn get(&self, key: &AssetKey) -> Option<Cow<'_, [u8]>> {
            let path = Path::new(key.as_ref().trim_start_matches('/'));
            let inside = path.components().all(|component| matches!(component, Component::Normal(_)));
            if inside { std::fs::read(self.0.join(path)).ok().map(Cow::from) } else { None }
        }

        fn iter(&self) -> Box<AssetsIter<'_>> {
            Box::new(std::iter::empty())
        }

        fn csp_hashes(&self, _: &AssetKey) -> Box<dyn Iterator<Item = CspHash<'_>> + '_> {
            Box::new(std::iter::empty())
        }
    }
}

//! The demo model that comes with Engawa.

use std::path::PathBuf;

use tauri::Manager;
use tauri::path::BaseDirectory;

/// Where it lies among the application's files, as `tauri.conf.json` puts it.
const FILE: &str = "models/engawa-demo.gguf";

/// The demo model, if it came along.
pub(crate) fn find(app: &tauri::App) -> Option<PathBuf> {
    let path = app.path().resolve(FILE, BaseDirectory::Resource).ok()?;
    if path.is_file() {
        return Some(path);
    }
    tracing::warn!("the demo model is missing at {}", path.display());
    None
}

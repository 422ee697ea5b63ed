//! `settings.json`: what the window remembers, in tauri-plugin-store.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engawa_chat::LoadSettings;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tauri::{AppHandle, Wry};
use tauri_plugin_store::{Store, StoreExt};

use crate::folder::DataFolder;
use crate::wire::Settings;

/// A settings file larger than this is not ours, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// Of so many models it is remembered how they were loaded.
const KNOWN_MODELS: usize = 100;

/// The settings, in memory and on disk.
pub(crate) struct SettingsFile {
    store: Arc<Store<Wry>>,
    /// Where a damaged file was put aside.
    pub(crate) set_aside: Option<PathBuf>,
}

/// The window's size, in logical pixels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct WindowPlace {
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) maximized: bool,
}

impl Default for WindowPlace {
    fn default() -> Self {
        Self { width: 1360.0, height: 860.0, maximized: false }
    }
}

/// The model that was used last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct LastModel {
    pub(crate) path: PathBuf,
    pub(crate) settings: LoadSettings,
    /// Whether it was ready when it was last loaded: one that ended its engine is not loaded by itself again.
    pub(crate) worked: bool,
}

/// How a model was loaded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct KnownModel {
    path: PathBuf,
    settings: LoadSettings,
}

impl SettingsFile {
    /// Opens the file. A damaged one is put aside first: the plugin would take it for empty and write over it.
    pub(crate) fn open(app: &AppHandle, folder: &DataFolder) -> anyhow::Result<Self> {
        let path = folder.path().join("settings.json");
        let set_aside = if is_damaged(&path) { put_aside(&path) } else { None };
        let store = app.store(path)?;
        Ok(Self { store, set_aside })
    }

    pub(crate) fn settings(&self) -> Settings {
        self.get("settings").unwrap_or_default()
    }

    pub(crate) fn set_settings(&self, settings: &Settings) -> anyhow::Result<()> {
        self.set("settings", settings)
    }

    pub(crate) fn window(&self) -> WindowPlace {
        let place: WindowPlace = self.get("window").unwrap_or_default();
        let sane = |length: f64, least: f64| if (least..=20_000.0).contains(&length) { length } else { least };
        WindowPlace { width: sane(place.width, 640.0), height: sane(place.height, 480.0), ..place }
    }

    pub(crate) fn set_window(&self, place: WindowPlace) {
        if self.window() != place
            && let Err(error) = self.set("window", &place)
        {
            tracing::warn!(%error, "the window's size could not be stored");
        }
    }

    pub(crate) fn last_model(&self) -> Option<LastModel> {
        self.get("last_model")
    }

    pub(crate) fn set_last_model(&self, model: Option<&LastModel>) {
        if self.last_model().as_ref() != model
            && let Err(error) = self.set("last_model", &model)
        {
            tracing::warn!(%error, "the last model could not be stored");
        }
    }

    /// How a model was loaded when that last worked.
    pub(crate) fn load_settings(&self, path: &Path) -> Option<LoadSettings> {
        let known: Vec<KnownModel> = self.get("models")?;
        known.into_iter().find(|model| model.path == path).map(|model| model.settings)
    }

    /// Keeps how a model was loaded; of many models, those that were loaded last.
    pub(crate) fn set_load_settings(&self, path: &Path, settings: LoadSettings) {
        let mut known: Vec<KnownModel> = self.get("models").unwrap_or_default();
        known.retain(|model| model.path != path);
        known.insert(0, KnownModel { path: path.to_owned(), settings });
        known.truncate(KNOWN_MODELS);
        if let Err(error) = self.set("models", &known) {
            tracing::warn!(%error, "the settings of a model could not be stored");
        }
    }

    /// A value, if it is there and of the right shape; a wrong one counts as missing.
    fn get<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        serde_json::from_value(self.store.get(key)?).ok()
    }

    fn set<T: Serialize>(&self, key: &str, value: &T) -> anyhow::Result<()> {
        self.store.set(key, serde_json::to_value(value)?);
        Ok(self.store.save()?)
    }
}

/// Whether there is a file that is not a JSON object.
fn is_damaged(path: &Path) -> bool {
    match fs::metadata(path) {
        Err(error) => error.kind() != io::ErrorKind::NotFound,
        Ok(metadata) if !metadata.is_file() || metadata.len() > MAX_BYTES => true,
        Ok(_) => {
            let value = fs::read(path).ok().and_then(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).ok());
            !value.is_some_and(|value| value.is_object())
        }
    }
}

/// Renames a file to the first free `.damaged-N`.
fn put_aside(path: &Path) -> Option<PathBuf> {
    let free =
        (1..1000).map(|number| path.with_extension(format!("json.damaged-{number}"))).find(|name| !name.exists())?;
    match fs::rename(path, &free) {
        Ok(()) => Some(free),
        Err(error) => {
            tracing::warn!(%error, "a damaged settings file could not be put aside");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_file_is_kept_under_another_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.json");
        assert!(!is_damaged(&path), "no file is a first start");
        fs::write(&path, "{}").unwrap();
        assert!(!is_damaged(&path));
        for damaged in [b"".as_slice(), b"{\"a\":", b"[1]", b"\xff\xfe{}"] {
            fs::write(&path, damaged).unwrap();
            assert!(is_damaged(&path), "{damaged:?}");
            let aside = put_aside(&path).unwrap();
            assert_eq!(fs::read(aside).unwrap(), damaged);
            assert!(!path.exists());
        }
    }
}

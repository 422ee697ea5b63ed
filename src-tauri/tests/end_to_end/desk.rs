//! Where a test works: a screen, folders, and the place for its pictures.

mod group;
mod screen;

use std::path::{Path, PathBuf};

use engawa_testkit::ScriptedModel;
use tempfile::TempDir;
use tokio::sync::{Semaphore, SemaphorePermit};

pub(crate) use group::Group;
pub(crate) use screen::Screen;

use crate::window::{Window, wait_for};

/// How many tests have a window at the same time.
static PLACES: Semaphore = Semaphore::const_new(2);

/// A person's desk. Engawa can be opened at it again and again and finds its folder as it left it.
pub(crate) struct Desk {
    pub(crate) screen: Screen,
    name: &'static str,
    folder: TempDir,
    _place: SemaphorePermit<'static>,
}

impl Desk {
    /// Waits for a free place and sets the desk up.
    ///
    /// `name` names the test in its pictures.
    pub(crate) async fn new(name: &'static str) -> Self {
        let place = PLACES.acquire().await.expect("the semaphore is never closed");
        std::fs::create_dir_all(pictures()).expect("the target folder can be written");
        let folder = tempfile::Builder::new().prefix("engawa-e2e-").tempdir().expect("there is a temporary folder");
        for part in ["home", "run", "models", "engawa"] {
            std::fs::create_dir(folder.path().join(part)).expect("the temporary folder can be written");
        }
        Self { screen: Screen::start().await, name, folder, _place: place }
    }

    /// Opens Engawa as from a desktop icon.
    pub(crate) async fn open(&self) -> Window<'_> {
        Window::open(self, &[]).await
    }

    /// Opens Engawa with a model, as by a double click on it, and waits until it can answer.
    pub(crate) async fn open_with(&self, model: &Path) -> Window<'_> {
        let window = self.open_loading(model).await;
        window.until_model_ready().await;
        window
    }

    /// Opens Engawa with a model that it begins to load.
    pub(crate) async fn open_loading(&self, model: &Path) -> Window<'_> {
        Window::open(self, &[model.to_str().expect("the tests name their files in UTF-8")]).await
    }

    /// Writes a model file.
    pub(crate) fn model(&self, file_name: &str, model: &ScriptedModel) -> PathBuf {
        let path = self.file(file_name);
        model.write(&path).expect("the script can be made a model");
        path
    }

    /// A path in the folder for models and exports.
    pub(crate) fn file(&self, file_name: &str) -> PathBuf {
        self.folder.path().join("models").join(file_name)
    }

    /// `ENGAWA_HOME`.
    pub(crate) fn engawa_home(&self) -> PathBuf {
        self.folder.path().join("engawa")
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// For sockets.
    pub(crate) fn runtime_folder(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    /// Waits until the settings on disk are as wanted.
    pub(crate) async fn until_settings(&self, awaited: &str, wanted: impl Fn(&serde_json::Value) -> bool) {
        let path = self.engawa_home().join("settings.json");
        let found = wait_for(async || {
            let text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
            let settings = serde_json::from_str(&text).map_err(|error| error.to_string())?;
            if wanted(&settings) { Ok(()) } else { Err(text) }
        });
        found.await.unwrap_or_else(|seen| panic!("waited for {awaited} in the settings file; saw {seen}"));
    }

    /// Where a picture or log of this test is put.
    pub(crate) fn evidence(&self, step: &str, ending: &str) -> PathBuf {
        pictures().join(format!("{}-{step}.{ending}", self.name))
    }

    /// Takes a picture of the whole screen, dialogs included.
    pub(crate) async fn photograph(&self, step: &str) {
        self.screen.photograph(&self.evidence(step, "png")).await;
    }
}

fn pictures() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("e2e")
}

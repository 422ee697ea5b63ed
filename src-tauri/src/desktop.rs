//! What the shell holds while the window is open.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use engawa_chat::{Chat, Language, LoadSettings};
use tauri::async_runtime::JoinHandle;
use tauri::{AppHandle, Manager};

use crate::arguments::{Arguments, DemoStart};
use crate::folder::FolderLock;
use crate::settings::SettingsFile;
use crate::wire::LanguageChoice;

/// The longest that closing the window waits for replies to be stored and the engine to end.
const SHUT_DOWN_TIMEOUT: Duration = Duration::from_secs(8);

/// The application with the shell's own state.
pub(crate) struct Desktop {
    pub(crate) chat: Chat,
    pub(crate) settings: SettingsFile,
    pub(crate) arguments: Arguments,
    /// The demo model that came along.
    pub(crate) demo: Option<PathBuf>,
    /// The task that passes events to the page; a page that is loaded again gets a new one.
    events: Mutex<Option<JoinHandle<()>>>,
    /// Whether the first model was asked for already: a page that is loaded again does not load it again.
    pub(crate) first_model_loaded: AtomicBool,
    /// Whether a file dialog is open: there is one at a time.
    pub(crate) dialog_open: AtomicBool,
    resizes: AtomicU64,
    _lock: FolderLock,
}

impl Desktop {
    pub(crate) fn new(
        chat: Chat,
        settings: SettingsFile,
        arguments: Arguments,
        demo: Option<PathBuf>,
        lock: FolderLock,
    ) -> Self {
        chat.set_cache_bytes(settings.settings().cache_bytes());
        Self {
            chat,
            settings,
            arguments,
            demo,
            events: Mutex::default(),
            first_model_loaded: AtomicBool::new(false),
            dialog_open: AtomicBool::new(false),
            resizes: AtomicU64::new(0),
            _lock: lock,
        }
    }

    /// The language of the interface.
    pub(crate) fn language(&self) -> Language {
        match self.settings.settings().language {
            LanguageChoice::En => Language::English,
            LanguageChoice::Ja => Language::Japanese,
            LanguageChoice::Ru => Language::Russian,
            LanguageChoice::Auto => match sys_locale::get_locale().unwrap_or_default().get(..2) {
                Some("ja") => Language::Japanese,
                Some("ru") => Language::Russian,
                _ => Language::English,
            },
        }
    }

    /// The model to load when the window is up: the one it was started with, else the last one; or the demo, where
    /// that was asked for.
    pub(crate) fn first_model(&self) -> Option<(PathBuf, Option<LoadSettings>)> {
        if let Some(path) = &self.arguments.model {
            return Some((path.clone(), None));
        }
        let last = self.settings.last_model().filter(|last| last.worked);
        match (self.arguments.demo, last) {
            (DemoStart::Offered | DemoStart::WithoutOther, Some(last)) => Some((last.path, Some(last.settings))),
            (DemoStart::Offered, None) => None,
            (DemoStart::WithoutOther, None) | (DemoStart::Always, _) => self.demo.clone().map(|path| (path, None)),
        }
    }

    /// Ends the task that serves the page so far and keeps its successor.
    pub(crate) fn replace_events(&self, task: JoinHandle<()>) {
        let before = self.events.lock().unwrap_or_else(PoisonError::into_inner).replace(task);
        if let Some(before) = before {
            before.abort();
        }
    }

    /// Counts a change of the window's size.
    pub(crate) fn count_resize(&self) -> u64 {
        self.resizes.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn is_last_resize(&self, number: u64) -> bool {
        self.resizes.load(Ordering::Relaxed) == number
    }

    /// Stops what runs, keeping what was written. Blocks for a few seconds at most.
    pub(crate) fn shut_down(&self) {
        let stopped = async { tokio::time::timeout(SHUT_DOWN_TIMEOUT, self.chat.shut_down()).await };
        if tauri::async_runtime::block_on(stopped).is_err() {
            // An engine in a driver that does not return can't even be killed; the window closes all the same.
            tracing::warn!("the engine does not end");
        }
    }
}

/// A second start shows the window of the first, and opens the model that it was given.
#[expect(clippy::needless_pass_by_value, reason = "the signature that the plugin asks for")]
pub(crate) fn show_for_second_start(app: &AppHandle, arguments: Vec<String>, folder: String) {
    if let Some(window) = app.get_webview_window(crate::window::MAIN) {
        let _ = window.unminimize();
        let _ = window.show();
        let _ = window.set_focus();
    }
    let arguments = Arguments::parse(arguments.into_iter().skip(1).map(Into::into), folder.as_ref());
    if let (Some(path), Some(desktop)) = (arguments.model, app.try_state::<Desktop>()) {
        let chat = desktop.chat.clone();
        tauri::async_runtime::spawn(async move {
            let settings = chat.inspect_model(&path).await.map(|card| card.settings).unwrap_or_default();
            // The page hears of a failure by an event.
            let _ = chat.load_model(&path, settings).await;
        });
    }
}

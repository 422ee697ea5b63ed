//! What the window remembers.

use tauri::State;

use crate::desktop::Desktop;
use crate::wire::{Settings, UiError};

#[tauri::command]
pub(crate) async fn save_settings(desktop: State<'_, Desktop>, settings: Settings) -> Result<(), UiError> {
    desktop.settings.set_settings(&settings).map_err(|error| {
        UiError::new("store_failed", "The settings could not be saved.").with_report(format!("{error:#}"))
    })?;
    desktop.chat.set_cache_bytes(settings.cache_bytes());
    Ok(())
}

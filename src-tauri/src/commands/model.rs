//! The model: chosen, looked at, loaded, let go.

use std::path::{Path, PathBuf};

use engawa_chat::ModelError;
use tauri::{State, WebviewWindow};

use crate::desktop::Desktop;
use crate::dialogs::{self, FileKind};
use crate::wire::{LoadEstimate, LoadSettings, ModelCard, UiError};

const GGUF: FileKind = FileKind { name: "GGUF", endings: &["gguf", "GGUF"] };

#[tauri::command]
pub(crate) async fn pick_model(
    window: WebviewWindow,
    desktop: State<'_, Desktop>,
) -> Result<Option<ModelCard>, UiError> {
    let Some(path) = dialogs::pick_file(&window, &desktop, "Open a model", GGUF).await? else { return Ok(None) };
    Ok(Some(card(&desktop, &path).await?))
}

/// What is loaded beside a model.
#[derive(Debug, Clone, Copy, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ModelPart {
    Adapter,
    DraftModel,
}

#[tauri::command]
pub(crate) async fn pick_part(
    window: WebviewWindow,
    desktop: State<'_, Desktop>,
    kind: ModelPart,
) -> Result<Option<PathBuf>, UiError> {
    let title = match kind {
        ModelPart::Adapter => "Open an adapter",
        ModelPart::DraftModel => "Open a draft model",
    };
    dialogs::pick_file(&window, &desktop, title, GGUF).await
}

#[tauri::command]
pub(crate) async fn inspect_model(desktop: State<'_, Desktop>, path: PathBuf) -> Result<ModelCard, UiError> {
    Ok(card(&desktop, &path).await?)
}

/// What is shown of a file, with the settings that worked last.
async fn card(desktop: &Desktop, path: &Path) -> Result<ModelCard, ModelError> {
    let mut card = desktop.chat.inspect_model(path).await?;
    if let Some(settings) = desktop.settings.load_settings(path) {
        card.settings = settings;
    }
    Ok(card.into())
}

#[tauri::command]
pub(crate) async fn estimate_load(
    desktop: State<'_, Desktop>,
    path: PathBuf,
    settings: LoadSettings,
) -> Result<LoadEstimate, UiError> {
    Ok(desktop.chat.estimate_load(&path, settings.into()).await?.into())
}

#[tauri::command]
pub(crate) async fn load_model(
    desktop: State<'_, Desktop>,
    path: PathBuf,
    settings: LoadSettings,
) -> Result<(), UiError> {
    Ok(desktop.chat.load_model(&path, settings.into()).await?)
}

#[tauri::command]
pub(crate) async fn load_demo(desktop: State<'_, Desktop>) -> Result<(), UiError> {
    let Some(path) = desktop.demo.clone() else {
        return Err(UiError::new("model_not_found", "There is no demo model."));
    };
    let card = desktop.chat.inspect_model(&path).await.map_err(|error: ModelError| UiError::from(error))?;
    Ok(desktop.chat.load_model(&path, card.settings).await?)
}

#[tauri::command]
pub(crate) async fn cancel_load(desktop: State<'_, Desktop>) -> Result<(), UiError> {
    desktop.chat.cancel_load().await;
    Ok(())
}

#[tauri::command]
pub(crate) async fn unload_model(desktop: State<'_, Desktop>) -> Result<(), UiError> {
    desktop.chat.unload_model();
    desktop.settings.set_last_model(None);
    Ok(())
}

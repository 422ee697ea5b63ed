//! How the next token is chosen.

use engawa_chat::SamplingName;
use tauri::State;

use crate::desktop::Desktop;
use crate::wire::{Sampling, UiError, parse_id, sampling};

#[tauri::command]
pub(crate) async fn set_sampling(
    desktop: State<'_, Desktop>,
    id: String,
    name: SamplingName,
    value: Option<f64>,
    reset: bool,
) -> Result<Sampling, UiError> {
    let id = parse_id(&id)?;
    let view =
        if reset { desktop.chat.reset_sampling(id, name)? } else { desktop.chat.set_sampling(id, name, value)? };
    Ok(sampling(&view))
}

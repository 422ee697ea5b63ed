//! Who answers.

use tauri::State;

use crate::desktop::Desktop;
use crate::wire::{Characters, Conversation, UiError, parse_id};

#[tauri::command]
pub(crate) async fn set_character(
    desktop: State<'_, Desktop>,
    id: String,
    character_id: Option<String>,
) -> Result<Conversation, UiError> {
    let view = desktop.chat.set_character(parse_id(&id)?, character_id.as_deref())?;
    Ok(Conversation::new(&view, &Characters::new(&desktop.chat, desktop.language())))
}

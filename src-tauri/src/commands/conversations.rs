//! Conversations as a list and one by one.

use tauri::State;

use crate::desktop::Desktop;
use crate::wire::{Characters, Conversation, ConversationSummary, UiError, parse_id};

#[tauri::command]
pub(crate) async fn create_conversation(
    desktop: State<'_, Desktop>,
    character_id: Option<String>,
) -> Result<Conversation, UiError> {
    let view = desktop.chat.create_conversation(character_id.as_deref())?;
    Ok(Conversation::new(&view, &Characters::new(&desktop.chat, desktop.language())))
}

#[tauri::command]
pub(crate) async fn open_conversation(desktop: State<'_, Desktop>, id: String) -> Result<Conversation, UiError> {
    let view = desktop.chat.open_conversation(parse_id(&id)?)?;
    Ok(Conversation::new(&view, &Characters::new(&desktop.chat, desktop.language())))
}

#[tauri::command]
pub(crate) async fn search_conversations(
    desktop: State<'_, Desktop>,
    query: String,
) -> Result<Vec<ConversationSummary>, UiError> {
    let characters = Characters::new(&desktop.chat, desktop.language());
    Ok(desktop.chat.search(&query)?.into_iter().map(|summary| characters.summary(summary)).collect())
}

#[tauri::command]
pub(crate) async fn rename_conversation(desktop: State<'_, Desktop>, id: String, title: String) -> Result<(), UiError> {
    Ok(desktop.chat.rename_conversation(parse_id(&id)?, &title)?)
}

#[tauri::command]
pub(crate) async fn delete_conversation(desktop: State<'_, Desktop>, id: String) -> Result<(), UiError> {
    Ok(desktop.chat.delete_conversation(parse_id(&id)?)?)
}

#[tauri::command]
pub(crate) async fn restore_conversation(desktop: State<'_, Desktop>, id: String) -> Result<(), UiError> {
    Ok(desktop.chat.restore_conversation(parse_id(&id)?)?)
}

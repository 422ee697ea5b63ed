//! Messages and replies.

use tauri::State;

use crate::desktop::Desktop;
use crate::wire::{Characters, Conversation, UiError, parse_id};

#[tauri::command]
pub(crate) async fn send_message(desktop: State<'_, Desktop>, id: String, text: String) -> Result<(), UiError> {
    Ok(desktop.chat.send(parse_id(&id)?, &text)?)
}

#[tauri::command]
pub(crate) async fn stop_reply(desktop: State<'_, Desktop>, id: String) -> Result<(), UiError> {
    desktop.chat.stop_reply(parse_id(&id)?);
    Ok(())
}

#[tauri::command]
pub(crate) async fn retry_reply(
    desktop: State<'_, Desktop>,
    id: String,
    message_id: String,
) -> Result<Conversation, UiError> {
    let view = desktop.chat.retry(parse_id(&id)?, parse_id(&message_id)?)?;
    Ok(Conversation::new(&view, &Characters::new(&desktop.chat, desktop.language())))
}

#[tauri::command]
pub(crate) async fn edit_message(
    desktop: State<'_, Desktop>,
    id: String,
    message_id: String,
    text: String,
) -> Result<Conversation, UiError> {
    let view = desktop.chat.edit(parse_id(&id)?, parse_id(&message_id)?, &text)?;
    Ok(Conversation::new(&view, &Characters::new(&desktop.chat, desktop.language())))
}

#[tauri::command]
pub(crate) async fn continue_reply(desktop: State<'_, Desktop>, id: String, message_id: String) -> Result<(), UiError> {
    Ok(desktop.chat.continue_reply(parse_id(&id)?, parse_id(&message_id)?)?)
}

#[tauri::command]
pub(crate) async fn select_branch(
    desktop: State<'_, Desktop>,
    id: String,
    message_id: String,
) -> Result<Conversation, UiError> {
    let view = desktop.chat.select_branch(parse_id(&id)?, parse_id(&message_id)?)?;
    Ok(Conversation::new(&view, &Characters::new(&desktop.chat, desktop.language())))
}

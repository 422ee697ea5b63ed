//! The page's first two calls.

use std::sync::atomic::Ordering;

use tauri::ipc::Channel;
use tauri::{AppHandle, State};

use crate::desktop::Desktop;
use crate::events;
use crate::wire::{Characters, Event, Notice, StartState, UiError};

#[tauri::command]
pub(crate) async fn subscribe(
    app: AppHandle,
    desktop: State<'_, Desktop>,
    channel: Channel<Vec<Event>>,
) -> Result<(), UiError> {
    let events = desktop.chat.subscribe();
    desktop.replace_events(tauri::async_runtime::spawn(events::forward(app.clone(), events, channel)));
    Ok(())
}

#[tauri::command]
pub(crate) async fn start(desktop: State<'_, Desktop>) -> Result<StartState, UiError> {
    let characters = Characters::new(&desktop.chat, desktop.language());
    let state = StartState {
        version: env!("CARGO_PKG_VERSION"),
        settings: desktop.settings.settings(),
        conversations: desktop.chat.conversations()?.into_iter().map(|summary| characters.summary(summary)).collect(),
        characters: characters.all(),
        model: (&desktop.chat.model()).into(),
        demo_available: desktop.demo.is_some(),
        notices: notices(&desktop),
    };
    tracing::info!("the window is usable");
    // The window is up: now the model may take the machine's time.
    if !desktop.first_model_loaded.swap(true, Ordering::AcqRel) {
        load_first_model(&desktop);
    }
    Ok(state)
}

/// What a person should know before anything else.
fn notices(desktop: &Desktop) -> Vec<Notice> {
    let mut notices = Vec::new();
    if let Some(path) = &desktop.settings.set_aside {
        let error = UiError::new("settings_damaged", "The settings file was damaged and has been set aside.")
            .with_report(path.display());
        notices.push(Notice::warning("settings", error));
    }
    if let Some(recovered) = desktop.chat.recovered() {
        let error = UiError::new("store_recovered", "The database was damaged; what could be read of it is here.")
            .with_value("conversations", recovered.conversations)
            .with_value("messages", recovered.messages)
            .with_value("file", recovered.damaged_file.display())
            .with_report(&recovered.reason);
        notices.push(Notice::warning("store", error));
    }
    for problem in desktop.chat.character_problems() {
        let error = UiError::new("character_damaged", "A character file could not be read.").with_report(format!(
            "{}: {}",
            problem.path.display(),
            problem.error
        ));
        notices.push(Notice::warning(format!("character {}", problem.path.display()), error));
    }
    notices
}

fn load_first_model(desktop: &Desktop) {
    let Some((path, settings)) = desktop.first_model() else { return };
    let chat = desktop.chat.clone();
    tauri::async_runtime::spawn(async move {
        let settings = match settings {
            Some(settings) => settings,
            None => chat.inspect_model(&path).await.map(|card| card.settings).unwrap_or_default(),
        };
        // A failure is the model's state, which the page shows.
        let _ = chat.load_model(&path, settings).await;
    });
}

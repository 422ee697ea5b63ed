//! The desktop shell: a window around the application of `engawa-chat`.
//!
//! Window, dialogs, settings file, logs, and the translation between the application and the page. No logic of its
//! own: what a command does in more than a few lines belongs into `engawa-chat`.
#![forbid(unsafe_code)]

mod arguments;
mod commands;
mod demo;
mod desktop;
mod dialogs;
mod events;
mod folder;
mod logging;
mod settings;
mod webview;
mod window;
mod wire;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use engawa_chat::{Chat, ChatConfig, EngineProgram};
use tauri::Manager;

use crate::arguments::Arguments;
use crate::desktop::Desktop;
use crate::folder::DataFolder;
use crate::settings::SettingsFile;

/// Opens the window and runs until it is closed.
pub fn run() -> ExitCode {
    match open_and_run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => end_with(&error),
    }
}

fn open_and_run() -> anyhow::Result<()> {
    webview::prepare_environment();
    let arguments = Arguments::from_environment();
    let folder = DataFolder::open().context("while opening Engawa's folder")?;
    let _log = logging::begin(&folder).context("while opening the log")?;
    let builder = tauri::Builder::default()
        .plugin(tauri_plugin_single_instance::init(desktop::show_for_second_start))
        .plugin(tauri_plugin_store::Builder::default().build())
        .invoke_handler(commands::handler());
    let app = builder
        .setup(move |app| {
            if let Err(error) = open_window(app, &folder, arguments) {
                // Tauri would end the process with a panic, and nobody would read why.
                end_with(&error);
            }
            Ok(())
        })
        .build(webview::context())
        .context("while building the window")?;
    app.run(|app, event| {
        if let tauri::RunEvent::ExitRequested { .. } = event {
            app.state::<Desktop>().shut_down();
        }
    });
    Ok(())
}

/// Takes the folder, opens what is in it, and shows the window.
fn open_window(app: &tauri::App, folder: &DataFolder, arguments: Arguments) -> anyhow::Result<()> {
    // The second instance is gone by now where a message bus tells of the first; the lock serves where none does.
    let lock = folder.lock()?;
    let chat = open_chat(folder)?;
    let settings = SettingsFile::open(app.handle(), folder)?;
    let window = settings.window();
    app.manage(Desktop::new(chat, settings, arguments, demo::find(app), lock));
    window::open(app, window).context("while opening the window")
}

/// Says why there is no window, and ends the process.
fn end_with(error: &anyhow::Error) -> ! {
    tracing::error!("{error:#}");
    eprintln!("Engawa could not start: {error:#}");
    dialogs::show_fatal(&format!("{error:#}"));
    std::process::exit(1)
}

fn open_chat(folder: &DataFolder) -> anyhow::Result<Chat> {
    let executable = std::env::current_exe().context("while looking for the program's own file")?;
    Chat::open(ChatConfig {
        data_folder: folder.path().to_owned(),
        engine: EngineProgram::new(executable),
        clock: Arc::new(milliseconds_now),
    })
    .context("while opening the conversations")
}

fn milliseconds_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

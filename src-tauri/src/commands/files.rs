//! Conversations to files and back.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use engawa_chat::{ExportFormat, write_atomically};
use tauri::{State, WebviewWindow};

use crate::desktop::Desktop;
use crate::dialogs::{self, FileKind};
use crate::wire::{Characters, Conversation, UiError, parse_id};

/// The largest file that is read as a conversation, in bytes.
const MAX_IMPORT_BYTES: u64 = 512 << 20;

/// The formats by the names that the page uses.
#[derive(Debug, Clone, Copy, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FormatChoice {
    Markdown,
    Text,
    Json,
}

impl FormatChoice {
    fn format(self) -> ExportFormat {
        match self {
            Self::Markdown => ExportFormat::Markdown,
            Self::Text => ExportFormat::Text,
            Self::Json => ExportFormat::Json,
        }
    }

    fn kind(self) -> FileKind {
        match self {
            Self::Markdown => FileKind { name: "Markdown", endings: &["md"] },
            Self::Text => FileKind { name: "Text", endings: &["txt"] },
            Self::Json => FileKind { name: "JSON", endings: &["json"] },
        }
    }
}

#[tauri::command]
pub(crate) async fn export_conversation(
    window: WebviewWindow,
    desktop: State<'_, Desktop>,
    id: String,
    format: FormatChoice,
) -> Result<Option<String>, UiError> {
    let export = desktop.chat.export(parse_id(&id)?, format.format())?;
    let chosen = dialogs::save_file(&window, &desktop, "Export the chat", format.kind(), &export.file_name).await?;
    let Some(path) = chosen else { return Ok(None) };
    write_atomically(&path, export.contents.as_bytes()).map_err(|error| export_failed(&path, &error))?;
    Ok(Some(path.to_string_lossy().into_owned()))
}

#[tauri::command]
pub(crate) async fn import_conversation(
    window: WebviewWindow,
    desktop: State<'_, Desktop>,
) -> Result<Option<Conversation>, UiError> {
    let json = FormatChoice::Json.kind();
    let Some(path) = dialogs::pick_file(&window, &desktop, "Import a chat", json).await? else { return Ok(None) };
    let text = read_text(&path).map_err(|error| {
        UiError::new("import_failed", "The file could not be read.").with_report(format!("{}: {error}", path.display()))
    })?;
    let view = desktop.chat.import(&text)?;
    Ok(Some(Conversation::new(&view, &Characters::new(&desktop.chat, desktop.language()))))
}

fn export_failed(path: &Path, error: &io::Error) -> UiError {
    let code = if error.kind() == io::ErrorKind::StorageFull { "disk_full" } else { "export_failed" };
    UiError::new(code, "The chat could not be written.").with_report(format!("{}: {error}", path.display()))
}

/// A text file, unless it is no file or larger than any conversation.
fn read_text(path: &Path) -> io::Result<String> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "this is not a file"));
    }
    let mut text = String::new();
    File::open(path)?.take(MAX_IMPORT_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

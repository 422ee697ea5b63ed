//! Links, which the page never follows by itself.

use crate::wire::UiError;

/// What a link may lead to.
const SCHEMES: &[&str] = &["http", "https", "mailto"];

/// Opens a link in the system's browser. The page has asked the person, with the whole address shown.
#[tauri::command]
pub(crate) async fn open_link(url: String) -> Result<(), UiError> {
    let refused = || UiError::new("unexpected", "This address can't be opened.");
    let url = url::Url::parse(&url).map_err(|_| refused())?;
    if !SCHEMES.contains(&url.scheme()) {
        return Err(refused());
    }
    open::that_detached(url.as_str())
        .map_err(|error| UiError::new("unexpected", "The browser could not be started.").with_report(error))
}

//! The system's dialogs: choose a file, choose where to save, and the last word when nothing else is possible.

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use tauri::{State, WebviewWindow};

use crate::desktop::Desktop;
use crate::wire::UiError;

/// A kind of file, as dialogs name it.
pub(crate) struct FileKind {
    pub(crate) name: &'static str,
    pub(crate) endings: &'static [&'static str],
}

/// Lets the person choose a file; `None` when the dialog was cancelled.
///
/// # Errors
/// `busy` when another dialog is open.
pub(crate) async fn pick_file(
    window: &WebviewWindow,
    desktop: &State<'_, Desktop>,
    title: &'static str,
    kind: FileKind,
) -> Result<Option<PathBuf>, UiError> {
    let _open = OpenDialog::begin(desktop)?;
    let dialog = rfd::AsyncFileDialog::new().set_title(title).add_filter(kind.name, kind.endings).set_parent(window);
    let choice = dialog.pick_file();
    make_modal(window, title);
    Ok(choice.await.map(|file| file.path().to_owned()))
}

/// Lets the person choose where to save; `None` when the dialog was cancelled.
///
/// # Errors
/// `busy` when another dialog is open.
pub(crate) async fn save_file(
    window: &WebviewWindow,
    desktop: &State<'_, Desktop>,
    title: &'static str,
    kind: FileKind,
    file_name: &str,
) -> Result<Option<PathBuf>, UiError> {
    let _open = OpenDialog::begin(desktop)?;
    let dialog = rfd::AsyncFileDialog::new()
        .set_title(title)
        .add_filter(kind.name, kind.endings)
        .set_file_name(file_name)
        .set_parent(window);
    let choice = dialog.save_file();
    make_modal(window, title);
    Ok(choice.await.map(|file| file.path().to_owned()))
}

/// Says why there is no window. Blocks until it is read.
pub(crate) fn show_fatal(message: &str) {
    // Without a screen there is nobody to read it, and the toolkit would end the process.
    let has_screen = !cfg!(target_os = "linux")
        || ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
    let is_test = std::env::var_os("TAURI_WEBVIEW_AUTOMATION").is_some();
    if has_screen && !is_test {
        show_message("Engawa could not start", message);
    }
}

/// GTK's own dialog, which also works while the window's loop waits for us; rfd's would wait for that loop.
#[cfg(target_os = "linux")]
fn show_message(title: &str, message: &str) {
    use gtk::prelude::*;
    if gtk::init().is_err() {
        return;
    }
    let (flags, kind, buttons) = (gtk::DialogFlags::MODAL, gtk::MessageType::Error, gtk::ButtonsType::Close);
    let dialog = gtk::MessageDialog::new(None::<&gtk::Window>, flags, kind, buttons, title);
    dialog.set_title("Engawa");
    dialog.set_secondary_text(Some(message));
    dialog.run();
}

#[cfg(not(target_os = "linux"))]
fn show_message(title: &str, message: &str) {
    rfd::MessageDialog::new().set_level(rfd::MessageLevel::Error).set_title(title).set_description(message).show();
}

/// Says that a dialog is open for as long as it lives.
struct OpenDialog<'desktop>(&'desktop Desktop);

impl<'desktop> OpenDialog<'desktop> {
    fn begin(desktop: &'desktop Desktop) -> Result<Self, UiError> {
        if desktop.dialog_open.swap(true, Ordering::AcqRel) {
            return Err(UiError::new("busy", "A file dialog is already open."));
        }
        Ok(Self(desktop))
    }
}

impl Drop for OpenDialog<'_> {
    fn drop(&mut self) {
        self.0.dialog_open.store(false, Ordering::Release);
    }
}

/// rfd's GTK dialogs have no parent and can go behind the window: gives them one as soon as they are shown.
#[cfg(target_os = "linux")]
fn make_modal(window: &WebviewWindow, title: &'static str) {
    use std::time::Duration;

    use gtk::prelude::*;

    /// Looks for the dialog this often before it gives up: a portal shows one that is not ours.
    const ATTEMPTS: u32 = 200;
    const PAUSE: Duration = Duration::from_millis(10);

    let parent = window.clone();
    let scheduled = window.run_on_main_thread(move || {
        let Ok(parent) = parent.gtk_window() else { return };
        let mut attempts = 0;
        gtk::glib::timeout_add_local(PAUSE, move || {
            attempts += 1;
            let dialog = gtk::Window::list_toplevels()
                .into_iter()
                .filter_map(|top| top.downcast::<gtk::FileChooserDialog>().ok())
                .find(|dialog| dialog.is_visible() && dialog.title().as_deref() == Some(title));
            if let Some(dialog) = dialog {
                dialog.set_transient_for(Some(&parent));
                dialog.set_modal(true);
                return gtk::glib::ControlFlow::Break;
            }
            if attempts < ATTEMPTS { gtk::glib::ControlFlow::Continue } else { gtk::glib::ControlFlow::Break }
        });
    });
    if let Err(error) = scheduled {
        tracing::warn!(%error, "a dialog could not be put in front of the window");
    }
}

#[cfg(not(target_os = "linux"))]
fn make_modal(_: &WebviewWindow, _: &'static str) {}

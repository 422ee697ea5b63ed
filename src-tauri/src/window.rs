//! The one window: its size, and what it may not do.

use std::time::Duration;

use tauri::webview::NewWindowResponse;
use tauri::{App, Manager, WebviewUrl, WebviewWindowBuilder, WindowEvent};

use crate::desktop::Desktop;
use crate::settings::WindowPlace;

/// The label that the capability names.
pub(crate) const MAIN: &str = "main";

/// The time after the last change of its size before that is written down.
const SETTLE_TIME: Duration = Duration::from_millis(400);

/// Opens the window where it was last time.
pub(crate) fn open(app: &App, place: WindowPlace) -> tauri::Result<()> {
    let window = WebviewWindowBuilder::new(app, MAIN, WebviewUrl::App("index.html".into()))
        .title("Engawa")
        .inner_size(place.width, place.height)
        .min_inner_size(640.0, 480.0)
        .maximized(place.maximized)
        // The page never leaves: not by a link, not by a redirect, not into another window.
        .on_navigation(|url| url.scheme() == "tauri" || url.host_str() == Some("tauri.localhost"))
        .on_new_window(|_, _| NewWindowResponse::Deny)
        .build()?;
    let handle = app.handle().clone();
    window.on_window_event(move |event| {
        if let WindowEvent::Resized(_) = event {
            let handle = handle.clone();
            tauri::async_runtime::spawn(async move {
                let desktop = handle.state::<Desktop>();
                let change = desktop.count_resize();
                tokio::time::sleep(SETTLE_TIME).await;
                if desktop.is_last_resize(change) {
                    remember_place(&handle);
                }
            });
        }
    });
    Ok(())
}

fn remember_place(app: &tauri::AppHandle) {
    let Some(window) = app.get_webview_window(MAIN) else { return };
    let (Ok(size), Ok(scale), Ok(maximized)) = (window.inner_size(), window.scale_factor(), window.is_maximized())
    else {
        return;
    };
    let size = size.to_logical::<f64>(scale);
    let settings = &app.state::<Desktop>().settings;
    // The size to come back to from maximised is the one before.
    let before = settings.window();
    let place = if maximized {
        WindowPlace { maximized, ..before }
    } else {
        WindowPlace { width: size.width, height: size.height, maximized }
    };
    settings.set_window(place);
}

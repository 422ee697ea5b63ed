//! Real key presses, which pass through the toolkit and its input method.

use super::Window;

impl Window<'_> {
    /// Gives the keyboard to a window by its title; no window manager does it here.
    pub(crate) async fn focus_window(&self, title: &str) {
        let pattern = format!("^{title}$");
        self.wait(&format!("the window {title:?}"), async || {
            self.desk
                .screen
                .run("xdotool", &["search", "--onlyvisible", "--name", &pattern, "windowfocus", "--sync"])
                .await
        })
        .await;
    }

    /// Presses keys one after the other, by their X names.
    pub(crate) async fn press(&self, keys: &[&str]) {
        let arguments = [&["key", "--delay", "30"], keys].concat();
        self.desk.screen.run("xdotool", &arguments).await.unwrap_or_else(|error| panic!("{error}"));
    }
}

//! The system's file dialogs, which the WebDriver can't see.

use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr};

use super::Window;
use super::wait::LIMIT;

impl Window<'_> {
    /// Chooses an existing file in the dialog with this title.
    pub(crate) async fn choose_file(&self, title: &str, path: &Path, step: &str) {
        self.focus_window(title).await;
        self.desk.photograph(step).await;
        // Opens the field for a path.
        self.press(&["slash"]).await;
        self.enter_path(title, path).await;
    }

    /// Chooses where to save in the dialog with this title.
    pub(crate) async fn choose_name(&self, title: &str, path: &Path, step: &str) {
        self.focus_window(title).await;
        self.desk.photograph(step).await;
        self.enter_path(title, path).await;
    }

    /// Pastes the path: typed, it would be mangled by the completion.
    async fn enter_path(&self, title: &str, path: &Path) {
        let clipboard = self.offer_text(path.to_str().expect("the tests name their files in UTF-8")).await;
        self.press(&["ctrl+a", "ctrl+v"]).await;
        clipboard.until_taken().await;
        self.press(&["Return"]).await;
        let pattern = format!("^{title}$");
        self.wait(&format!("the dialog {title:?} to close"), async || {
            // Finding nothing is an error to xdotool.
            match self.desk.screen.run("xdotool", &["search", "--onlyvisible", "--name", &pattern]).await {
                Ok(found) if !found.trim().is_empty() => Err(format!("window {found}")),
                _ => Ok(()),
            }
        })
        .await;
    }

    /// Puts a text on the clipboard, for one paste.
    async fn offer_text(&self, text: &str) -> Clipboard {
        let mut command = tokio::process::Command::new("xclip");
        command.args(["-quiet", "-loops", "1", "-selection", "clipboard"]).env("DISPLAY", self.desk.screen.display());
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut owner = command.spawn().expect("xclip is installed");
        let mut input = owner.stdin.take().expect("its input is a pipe");
        input.write_all(text.as_bytes()).await.expect("xclip reads its input");
        drop(input);
        // It says that it waits when it owns the clipboard.
        let mut messages = BufReader::new(owner.stderr.take().expect("its messages are a pipe"));
        let ready = tokio::time::timeout(LIMIT, messages.read_line(&mut String::new())).await;
        ready.expect("xclip did not begin in time").expect("xclip's messages can be read");
        Clipboard { owner, _messages: messages }
    }
}

/// A text on the clipboard until it was pasted once.
struct Clipboard {
    owner: Child,
    _messages: BufReader<ChildStderr>,
}

impl Clipboard {
    async fn until_taken(mut self) {
        let taken = tokio::time::timeout(LIMIT, self.owner.wait()).await;
        taken.expect("nothing was pasted in time").expect("xclip can be waited for");
    }
}

//! A screen that nobody sees, and pictures of it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::Group;

/// The longest that a small helper program may take.
const HELPER_LIMIT: Duration = Duration::from_secs(20);

/// An X server of its own, without a window manager.
pub(crate) struct Screen {
    display: String,
    _server: Group,
}

impl Screen {
    /// Starts a server, which picks its own number.
    pub(crate) async fn start() -> Self {
        let mut command = Group::command("Xvfb");
        // Without `-noreset` it starts over, deaf for a moment, whenever its last window is closed.
        command.args(["-displayfd", "1", "-screen", "0", "1440x900x24", "-nolisten", "tcp", "-noreset"]);
        let mut server = Group::start(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()));
        let output = server.0.stdout.take().expect("its output is a pipe");
        let number = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            BufReader::new(output).read_line(&mut line).map(|_| line)
        });
        // At the limit `server` is dropped and killed, which also ends the reading.
        let number = tokio::time::timeout(HELPER_LIMIT, number).await.expect("Xvfb did not start in time");
        let number = number.expect("reading does not panic").expect("Xvfb's output can be read");
        assert!(!number.trim().is_empty(), "Xvfb did not start");
        Self { display: format!(":{}", number.trim()), _server: server }
    }

    /// The value of `DISPLAY`.
    pub(crate) fn display(&self) -> &str {
        &self.display
    }

    /// Runs a helper on this screen to its end; its output, or what went wrong.
    pub(crate) async fn run(&self, program: &str, arguments: &[&str]) -> Result<String, String> {
        let mut command = tokio::process::Command::new(program);
        command.args(arguments).env("DISPLAY", &self.display).stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(HELPER_LIMIT, command.output()).await;
        let output = output.map_err(|_| format!("`{program} {arguments:?}` did not end"))?;
        let output = output.map_err(|error| format!("`{program}` could not be started: {error}"))?;
        if !output.status.success() {
            return Err(format!("`{program} {arguments:?}`: {}", String::from_utf8_lossy(&output.stderr)));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    pub(crate) async fn photograph(&self, path: &Path) {
        let path = path.to_str().expect("pictures have names in UTF-8");
        self.run("import", &["-window", "root", path]).await.expect("the screen can be photographed");
    }

    /// Takes a picture without waiting for a runtime; errors are of no use to anybody then.
    pub(crate) fn photograph_now(&self, path: &Path) {
        let mut command = Command::new("timeout");
        command.args(["10", "import", "-window", "root"]).arg(path).env("DISPLAY", &self.display);
        let _ = command.stderr(Stdio::null()).status();
    }
}

//! The WebDriver that starts the application and speaks with its page.

use std::fs::File;
use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;

use super::wait::LIMIT;
use crate::desk::{Desk, Group};

/// The time between two attempts to reach a driver that is still starting.
const PAUSE: Duration = Duration::from_millis(30);

/// Starts a driver, which starts the application with `arguments`.
pub(super) async fn start(desk: &Desk, arguments: &[&str]) -> (Group, Client) {
    let port = free_port();
    let log = File::options().create(true).append(true).open(desk.evidence("app", "log")).expect("logs can be written");
    let mut command = Group::command("WebKitWebDriver");
    command
        .arg(format!("--port={port}"))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("DISPLAY", desk.screen.display())
        .env("GDK_BACKEND", "x11")
        .env("LANG", "C.UTF-8")
        .env("ENGAWA_HOME", desk.engawa_home())
        .env("HOME", desk.home())
        .env("XDG_RUNTIME_DIR", desk.runtime_folder())
        .env("XDG_DATA_HOME", desk.home().join("data"))
        .env("XDG_CONFIG_HOME", desk.home().join("config"))
        .env("XDG_CACHE_HOME", desk.home().join("cache"))
        // No message bus, no accessibility bus, no settings daemon: nothing of this machine's desktop takes part.
        .env("DBUS_SESSION_BUS_ADDRESS", "disabled:")
        .env("NO_AT_BRIDGE", "1")
        .env("GSETTINGS_BACKEND", "memory")
        .env("GTK_IM_MODULE", "gtk-im-context-simple")
        .env("TAURI_WEBVIEW_AUTOMATION", "true")
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a file can be used twice"))
        .stderr(log);
    let driver = Group::start(&mut command);
    let client = connect(port, arguments).await;
    (driver, client)
}

async fn connect(port: u16, arguments: &[&str]) -> Client {
    let binary = env!("CARGO_BIN_EXE_engawa-desktop");
    let wanted = json!({ "webkitgtk:browserOptions": { "binary": binary, "args": arguments } });
    let serde_json::Value::Object(wanted) = wanted else { unreachable!("it is written as an object") };
    let begun = Instant::now();
    loop {
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let address = format!("http://127.0.0.1:{port}");
        let session = builder.capabilities(wanted.clone()).connect(&address);
        match tokio::time::timeout(LIMIT, session).await {
            Ok(Ok(client)) => return client,
            Ok(Err(error)) if begun.elapsed() > LIMIT => panic!("the WebDriver gave no session: {error}"),
            Ok(Err(_)) => tokio::time::sleep(PAUSE).await,
            Err(_) => panic!("the application did not report to the WebDriver; its log is in target/e2e"),
        }
    }
}

/// A port that nobody uses now. The driver can't pick one itself.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a loopback interface");
    listener.local_addr().expect("a bound socket has an address").port()
}

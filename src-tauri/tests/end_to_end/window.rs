//! Engawa's window, driven from outside.

mod driver;
mod engine;
mod file_dialog;
mod keyboard;
mod messages;
mod page;
mod wait;

use std::time::{Duration, Instant};

use fantoccini::Client;

use crate::desk::{Desk, Group};

use engine::Process;
pub(crate) use wait::wait_for;

/// An open window. Dropping it ends the application at once, as a loss of power would.
pub(crate) struct Window<'desk> {
    pub(crate) desk: &'desk Desk,
    client: Client,
    application: Process,
    driver: Option<Group>,
}

/// How long a killed process may take to be gone.
const KILL_LIMIT: Duration = Duration::from_secs(10);

impl<'desk> Window<'desk> {
    /// Starts the application and waits until its page is ready.
    pub(crate) async fn open(desk: &'desk Desk, arguments: &[&str]) -> Self {
        let (driver, client) = driver::start(desk, arguments).await;
        let application = engine::application_of(&driver).await;
        let window = Self { desk, client, application, driver: Some(driver) };
        window.until("the page to be ready", "document.documentElement.dataset.ready === 'true'").await;
        window
    }
}

/// Leaves a picture of a test that fails. The folder is free when the application is gone, which takes its own time.
impl Drop for Window<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.desk.screen.photograph_now(&self.desk.evidence("failed", "png"));
        }
        drop(self.driver.take());
        let begun = Instant::now();
        while !self.application.has_ended() && begun.elapsed() < KILL_LIMIT {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

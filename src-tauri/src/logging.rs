//! The log: one file a day in the data folder, a week of them, never the text of a message.

use anyhow::Context;
use tracing_appender::non_blocking::WorkerGuard;
use tracing_appender::rolling::{Builder, Rotation};
use tracing_subscriber::EnvFilter;

use crate::folder::DataFolder;

/// Days that logs are kept.
const KEPT_DAYS: usize = 7;

/// Begins to log; what is buffered is written when the guard is dropped.
///
/// `ENGAWA_LOG` sets levels as in `ENGAWA_LOG=engine=debug,info`.
pub(crate) fn begin(folder: &DataFolder) -> anyhow::Result<WorkerGuard> {
    let logs = folder.path().join("logs");
    std::fs::create_dir_all(&logs).context("while making the folder of the logs")?;
    let file = Builder::new()
        .rotation(Rotation::DAILY)
        .filename_prefix("engawa")
        .filename_suffix("log")
        .max_log_files(KEPT_DAYS)
        .build(logs)
        .context("while opening today's log")?;
    let (writer, guard) = tracing_appender::non_blocking(file);
    let levels = std::env::var("ENGAWA_LOG").unwrap_or_else(|_| "info,engine=debug".to_owned());
    tracing_subscriber::fmt().with_env_filter(EnvFilter::new(levels)).with_writer(writer).with_ansi(false).init();
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "Engawa starts");
    Ok(guard)
}

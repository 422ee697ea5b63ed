//! The `engawa-desktop` executable: the window, or an engine child in its hidden role.

// No console window behind the real one on Windows.
#![cfg_attr(all(windows, not(debug_assertions)), windows_subsystem = "windows")]

use std::process::ExitCode;

fn main() -> ExitCode {
    engawa_engine::run_if_engine_child();
    engawa_desktop::run()
}

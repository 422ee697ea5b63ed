//! llama.cpp's log lines: to standard error, where the app drains them, and the last errors kept to explain a refusal.

use std::ffi::{CStr, c_char, c_void};
use std::io::Write;
use std::sync::Mutex;

use llama_cpp_sys_2 as sys;

/// The most error lines kept; a damaged file can cause thousands.
const KEPT_LINES: usize = 8;

static ERRORS: Mutex<Option<Vec<String>>> = Mutex::new(None);

/// Sends the log lines of llama.cpp and ggml to standard error, without those for debugging llama.cpp itself.
pub(crate) fn route_logs_to_stderr() {
    // SAFETY: the callback is a plain function that lives as long as the process and takes no user data.
    unsafe {
        sys::llama_log_set(Some(log_line), std::ptr::null_mut());
        sys::mtmd_helper_log_set(Some(log_line), std::ptr::null_mut());
    }
    // What llama.cpp's `common` logs may quote a reply, and no log has anybody's words in it.
    // SAFETY: called before any other thread uses it.
    unsafe { super::shim::engawa_silence_common() };
}

/// Begins to keep error lines, forgetting earlier ones.
pub(crate) fn capture_errors() {
    *lock() = Some(Vec::new());
}

/// Ends keeping and gives the last error lines, oldest first.
pub(crate) fn take_errors() -> Vec<String> {
    lock().take().unwrap_or_default()
}

fn lock() -> std::sync::MutexGuard<'static, Option<Vec<String>>> {
    ERRORS.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

unsafe extern "C" fn log_line(level: sys::ggml_log_level, text: *const c_char, _: *mut c_void) {
    // Debug lines describe every node of every graph: hundreds per load, nothing a report could use.
    if level == sys::GGML_LOG_LEVEL_DEBUG {
        return;
    }
    // SAFETY: llama.cpp passes a NUL-terminated string that lives during the call.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    // A full or closed pipe must not end the engine: the line is lost then.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
    if level == sys::GGML_LOG_LEVEL_ERROR
        && let Some(lines) = lock().as_mut()
    {
        if lines.len() == KEPT_LINES {
            lines.remove(0);
        }
        lines.push(text.trim_end().to_owned());
    }
}

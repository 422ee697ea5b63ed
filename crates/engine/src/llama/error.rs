//! What llama.cpp says when it refuses.

use std::ffi::{CStr, c_char};

use super::shim;

/// An error text from llama.cpp, as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct LlamaError(pub(crate) String);

/// Receives the `char ** error` of a shim function.
pub(super) struct ErrorSlot(*mut c_char);

impl ErrorSlot {
    pub(super) fn new() -> Self {
        Self(std::ptr::null_mut())
    }

    pub(super) fn as_out(&mut self) -> *mut *mut c_char {
        &raw mut self.0
    }

    /// The value, unless an error was set.
    pub(super) fn check<T>(self, value: T) -> Result<T, LlamaError> {
        match take_text(self.0) {
            None => Ok(value),
            Some(text) => Err(LlamaError(text)),
        }
    }
}

/// Takes over a string that the shim allocated; `None` for null. Broken UTF-8 becomes U+FFFD.
pub(super) fn take_text(text: *mut c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: the shim returns null or a NUL-terminated string of its own that nobody else frees.
    unsafe {
        let owned = CStr::from_ptr(text).to_string_lossy().into_owned();
        shim::engawa_free(text);
        Some(owned)
    }
}

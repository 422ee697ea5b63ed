//! Splits a reply into thinking and answer while it is written.

use std::ffi::CString;
use std::ptr::NonNull;

use engawa_engine_protocol::ToolCall;

use super::error::{ErrorSlot, take_text};
use super::{AppliedTemplate, LlamaError, shim};

/// llama.cpp's reply parser for one reply.
pub(crate) struct ReplyParser {
    pointer: NonNull<shim::Parser>,
}

/// What a piece of text added.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ReplyDelta {
    pub(crate) reasoning: String,
    pub(crate) content: String,
}

impl ReplyParser {
    /// A parser for the reply to a prompt.
    pub(crate) fn new(applied: &AppliedTemplate) -> Result<Self, LlamaError> {
        let description = CString::new(applied.description.as_str()).map_err(|error| LlamaError(error.to_string()))?;
        let mut error = ErrorSlot::new();
        // SAFETY: `description` is NUL-terminated and lives during the call.
        let pointer = unsafe { shim::engawa_parser_new(description.as_ptr(), error.as_out()) };
        let pointer = error.check(pointer)?;
        Ok(Self { pointer: NonNull::new(pointer).ok_or_else(|| LlamaError("no parser".into()))? })
    }

    /// Appends text; `is_final` when nothing follows.
    pub(crate) fn push(&mut self, text: &str, is_final: bool) -> Result<ReplyDelta, LlamaError> {
        let mut reasoning = std::ptr::null_mut();
        let mut content = std::ptr::null_mut();
        let mut error = ErrorSlot::new();
        // SAFETY: the parser lives, `text` is `len` bytes long, and the three out-pointers are valid.
        unsafe {
            shim::engawa_parser_push(
                self.pointer.as_ptr(),
                text.as_ptr().cast(),
                text.len(),
                is_final,
                &raw mut reasoning,
                &raw mut content,
                error.as_out(),
            );
        }
        error.check(ReplyDelta {
            reasoning: take_text(reasoning).unwrap_or_default(),
            content: take_text(content).unwrap_or_default(),
        })
    }

    /// The calls of tools in the text so far; complete behind the final push.
    pub(crate) fn tool_calls(&self) -> Result<Vec<ToolCall>, LlamaError> {
        let mut error = ErrorSlot::new();
        // SAFETY: the parser lives.
        let text = unsafe { shim::engawa_parser_tool_calls(self.pointer.as_ptr(), error.as_out()) };
        let text = take_text(error.check(text)?).unwrap_or_default();
        serde_json::from_str(&text).map_err(|error| LlamaError(error.to_string()))
    }
}

impl Drop for ReplyParser {
    fn drop(&mut self) {
        // SAFETY: nobody else holds the pointer.
        unsafe { shim::engawa_parser_free(self.pointer.as_ptr()) }
    }
}

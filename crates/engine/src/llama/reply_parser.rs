//! Splits a reply into thinking and answer while it is written.

use std::ffi::CString;
use std::ptr::NonNull;
use std::time::{Duration, Instant};

use engawa_engine_protocol::ToolCall;

use super::error::{ErrorSlot, take_text};
use super::{AppliedTemplate, LlamaError, shim};

/// A pass that takes less is made for every piece of text.
const SHORT_PASS: Duration = Duration::from_micros(200);
/// A longer one is followed by a rest of so many times its length, up to a time that people hardly notice.
const REST: u32 = 50;
const LONGEST_REST: Duration = Duration::from_millis(150);

/// llama.cpp's reply parser for one reply.
///
/// It reads the whole reply in each pass, so that passes get longer with it. So that they don't take ever more of the time between two
/// tokens, what is written during a rest is gathered for the pass behind it.
pub(crate) struct ReplyParser {
    pointer: NonNull<shim::Parser>,
    gathered: String,
    rests_until: Option<Instant>,
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
        let pointer = NonNull::new(pointer).ok_or_else(|| LlamaError("no parser".into()))?;
        Ok(Self { pointer, gathered: String::new(), rests_until: None })
    }

    /// Appends text; `is_final` when nothing follows. What it adds may come out later, with the last text at the latest.
    pub(crate) fn push(&mut self, text: &str, is_final: bool) -> Result<ReplyDelta, LlamaError> {
        self.gathered.push_str(text);
        let began = Instant::now();
        if !is_final && self.rests_until.is_some_and(|end| began < end) {
            return Ok(ReplyDelta::default());
        }
        let delta = self.pass(is_final);
        let took = began.elapsed();
        self.rests_until = (took > SHORT_PASS).then(|| began + took + LONGEST_REST.min(took * REST));
        delta
    }

    /// As [`Self::push`], without a rest before or after it.
    pub(crate) fn flush(&mut self, text: &str) -> Result<ReplyDelta, LlamaError> {
        self.gathered.push_str(text);
        if self.gathered.is_empty() { Ok(ReplyDelta::default()) } else { self.pass(false) }
    }

    fn pass(&mut self, is_final: bool) -> Result<ReplyDelta, LlamaError> {
        let text = std::mem::take(&mut self.gathered);
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

//! The chat template: messages to a prompt.

use std::ffi::{CStr, CString};
use std::marker::PhantomData;
use std::ptr::NonNull;

use serde::Deserialize;

use super::error::{ErrorSlot, take_text};
use super::{LlamaError, Model, shim};

/// llama.cpp's chat templates of one model.
pub(crate) struct Templates<'model> {
    pointer: NonNull<shim::Templates>,
    model: PhantomData<&'model Model>,
}

/// What a template made of a conversation.
#[derive(Debug, Deserialize)]
pub(crate) struct AppliedTemplate {
    pub(crate) prompt: String,
    pub(crate) supports_thinking: bool,
    /// Control tokens that are part of the reply's format and must be seen by its parser.
    pub(crate) preserved_tokens: Vec<String>,
    pub(crate) additional_stops: Vec<String>,
    /// What opens thinking, e.g. `<think>`; empty where the template knows none.
    pub(crate) thinking_start: String,
    /// What closes it.
    pub(crate) thinking_end: String,
    /// What holds the reply to the form that was asked for, for [`super::Sampler::new`].
    #[serde(default)]
    pub(crate) grammar: Option<serde_json::Value>,
    /// The whole answer, for [`super::ReplyParser::new`].
    #[serde(skip)]
    pub(crate) description: String,
}

impl<'model> Templates<'model> {
    /// Reads the template in the model's file, or ChatML when it has none.
    ///
    /// # Errors
    /// What llama.cpp says of a template that it can't read.
    pub(crate) fn from_model(model: &'model Model) -> Result<Self, LlamaError> {
        Self::new(model, c"")
    }

    /// ChatML, whatever the file has.
    pub(crate) fn chatml(model: &'model Model) -> Result<Self, LlamaError> {
        Self::new(model, c"chatml")
    }

    fn new(model: &'model Model, source: &CStr) -> Result<Self, LlamaError> {
        let mut error = ErrorSlot::new();
        // SAFETY: the model is loaded and `source` NUL-terminated; both live during the call.
        let pointer = unsafe { shim::engawa_templates_new(model.as_ptr(), source.as_ptr(), error.as_out()) };
        let pointer = error.check(pointer)?;
        let pointer = NonNull::new(pointer).ok_or_else(|| LlamaError("no template".into()))?;
        Ok(Self { pointer, model: PhantomData })
    }

    /// Whether the model's file has a template of its own.
    pub(crate) fn is_from_file(&self) -> bool {
        // SAFETY: the templates live.
        unsafe { shim::engawa_templates_from_file(self.pointer.as_ptr()) }
    }

    /// Turns messages into a prompt. `request` is `{"messages": [...], "tools": [...], "grammar": "…", "json_schema": "…"}`;
    /// all but the messages may be absent.
    ///
    /// # Errors
    /// The template's own refusal, or llama.cpp's.
    pub(crate) fn apply(&self, request: &serde_json::Value) -> Result<AppliedTemplate, LlamaError> {
        let request = CString::new(request.to_string()).map_err(|error| LlamaError(error.to_string()))?;
        let mut error = ErrorSlot::new();
        // SAFETY: the templates live and `request` is NUL-terminated.
        let text = unsafe { shim::engawa_templates_apply(self.pointer.as_ptr(), request.as_ptr(), error.as_out()) };
        let text = error.check(text)?;
        let description = take_text(text).ok_or_else(|| LlamaError("the template gave nothing".into()))?;
        let mut applied: AppliedTemplate =
            serde_json::from_str(&description).map_err(|error| LlamaError(error.to_string()))?;
        applied.description = description;
        Ok(applied)
    }
}

/// A JSON schema as a grammar.
///
/// # Errors
/// What llama.cpp says of a schema that it can't use.
pub(crate) fn schema_to_grammar(schema: &str) -> Result<String, LlamaError> {
    let schema = CString::new(schema).map_err(|error| LlamaError(error.to_string()))?;
    let mut error = ErrorSlot::new();
    // SAFETY: `schema` is NUL-terminated.
    let grammar = unsafe { shim::engawa_schema_to_grammar(schema.as_ptr(), error.as_out()) };
    take_text(error.check(grammar)?).ok_or_else(|| LlamaError("the schema gave nothing".into()))
}

impl Drop for Templates<'_> {
    fn drop(&mut self) {
        // SAFETY: nobody else holds the pointer.
        unsafe { shim::engawa_templates_free(self.pointer.as_ptr()) }
    }
}

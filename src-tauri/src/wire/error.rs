//! Errors as a person sees them. The one place that gives them codes.

use std::collections::BTreeMap;
use std::fmt::Display;

use engawa_chat::{ChatError, ExitCause, GgufError, LoadError, ModelError, ReplyError, StoreError};
use serde::Serialize;
use serde_json::Value;

/// An error for the page: the text of its code in the page's language, or `message` where it has none.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct UiError {
    code: &'static str,
    message: String,
    hint: Option<String>,
    values: BTreeMap<&'static str, Value>,
    report: Option<String>,
}

impl UiError {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, values: BTreeMap::new(), report: None }
    }

    pub(crate) fn with_report(mut self, report: impl Display) -> Self {
        self.report = Some(report.to_string());
        self
    }

    pub(crate) fn with_value(mut self, name: &'static str, value: impl Display) -> Self {
        let text = value.to_string();
        self.values.insert(name, text.parse::<u64>().map_or(Value::String(text), Value::from));
        self
    }
}

impl From<ChatError> for UiError {
    fn from(error: ChatError) -> Self {
        let message = error.to_string();
        match error {
            ChatError::Store(error) => error.into(),
            ChatError::Model(error) => error.into(),
            ChatError::NoModel => Self::new("no_model", message),
            ChatError::Busy => Self::new("busy", message),
            ChatError::MessageTooLong { bytes, limit } => {
                Self::new("message_too_long", message).with_value("bytes", bytes).with_value("limit", limit)
            }
            ChatError::Import(_) => Self::new("import_failed", message.clone()).with_report(message),
            ChatError::EmptyMessage
            | ChatError::NotAReply
            | ChatError::UnknownCharacter(_)
            | ChatError::SamplingOutOfRange { .. } => Self::new("unexpected", message.clone()).with_report(message),
        }
    }
}

impl From<StoreError> for UiError {
    fn from(error: StoreError) -> Self {
        let code = if matches!(error, StoreError::DiskFull) { "disk_full" } else { "store_failed" };
        let report = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source())
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(": ");
        Self::new(code, error.to_string()).with_report(report)
    }
}

impl From<ModelError> for UiError {
    fn from(error: ModelError) -> Self {
        let message = error.to_string();
        match error {
            ModelError::File(error) => Self::new(file_code(&error), message.clone()).with_report(message),
            ModelError::Load(error) => error.into(),
            ModelError::EngineEnded(report) => Self::new(exit_code(report.cause), message).with_report(report),
            ModelError::NoEngine(report) => Self::new("engine_crashed", message).with_report(report),
            ModelError::EndsTooOften => Self::new("engine_limit", message),
        }
    }
}

fn file_code(error: &GgufError) -> &'static str {
    match error {
        GgufError::NotFound => "model_not_found",
        GgufError::NoPermission => "model_no_permission",
        GgufError::NotAFile | GgufError::NotGguf => "not_gguf",
        GgufError::Truncated { .. } => "gguf_truncated",
        GgufError::UnsupportedVersion(_) | GgufError::Damaged { .. } => "gguf_damaged",
        GgufError::Io(_) => "load_failed",
    }
}

fn exit_code(cause: ExitCause) -> &'static str {
    if cause == ExitCause::Unresponsive { "engine_unresponsive" } else { "engine_crashed" }
}

impl From<LoadError> for UiError {
    fn from(error: LoadError) -> Self {
        let message = error.to_string();
        match error {
            LoadError::NotFound => Self::new("model_not_found", message),
            LoadError::NoPermission => Self::new("model_no_permission", message),
            LoadError::NotGguf => Self::new("not_gguf", message),
            LoadError::UnknownArchitecture { architecture } => Self::new("unknown_architecture", message.clone())
                .with_value("architecture", architecture)
                .with_report(message),
            LoadError::NotEnoughMemory { needed, available } => {
                let error = Self::new("not_enough_memory", message).with_value("available", available);
                if let Some(needed) = needed { error.with_value("needed", needed) } else { error }
            }
            LoadError::Adapter { file, reason } => {
                Self::new("adapter_failed", message).with_value("file", file).with_report(reason)
            }
            LoadError::Projector { file, reason } => {
                Self::new("projector_failed", message).with_value("file", file).with_report(reason)
            }
            LoadError::DraftModel { file, reason } => {
                Self::new("draft_model_failed", message).with_value("file", file).with_report(reason)
            }
            LoadError::Cancelled => Self::new("load_cancelled", message),
            LoadError::Refused { reason } => {
                Self::new("load_failed", "The model could not be loaded.").with_report(reason)
            }
        }
    }
}

impl From<&ReplyError> for UiError {
    fn from(error: &ReplyError) -> Self {
        let message = error.to_string();
        match error {
            ReplyError::EngineCrashed { report } => Self::new("engine_crashed", message).with_report(report),
            ReplyError::EngineUnresponsive { report } => Self::new("engine_unresponsive", message).with_report(report),
            ReplyError::ModelUnavailable { reason } => Self::new("load_failed", message).with_report(reason),
            ReplyError::EngineLimit => Self::new("engine_limit", message),
            ReplyError::ContextTooSmall { prompt_tokens, context_size } => Self::new("context_too_small", message)
                .with_value("promptTokens", prompt_tokens)
                .with_value("contextSize", context_size),
            ReplyError::TemplateRefused { reason } => Self::new("template_refused", message).with_report(reason),
            ReplyError::GenerationFailed { reason } => Self::new("unexpected", message).with_report(reason),
        }
    }
}

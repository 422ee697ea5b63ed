//! What is loaded beside a model: a projector, adapters, a draft model. Whether they belong to it is found out here by headers and
//! vocabularies alone, before a load takes the place of a model that answers.

use std::path::Path;

use engawa_engine_protocol::{LoadError, LoadRequest};

use crate::llama::{
    LoadOutcome, Model, ModelSettings, adapter_fault, can_draft, capture_errors, projector_fault, projector_kinds,
    take_errors,
};
use crate::load::refusal;

/// The kinds of projector that are let into llama.cpp: those in use that nothing is known against, and that need to know of a
/// picture only the picture itself.
const PROJECTORS: [&str; 35] = [
    "adapter",
    "cogvlm",
    "gemma3",
    "gemma3na",
    "gemma3nv",
    "gemma4a",
    "gemma4ua",
    "gemma4uv",
    "gemma4v",
    "glm4v",
    "idefics3",
    "internvl",
    "janus_pro",
    "kimik25",
    "kimivl",
    "ldp",
    "ldpv2",
    "lfm2",
    "lfm2a",
    "lightonocr",
    "ling3vl",
    "llama4",
    "mimovl",
    "mlp",
    "nemotron_v2_vl",
    "phi4",
    "pixtral",
    "qwen2.5o",
    "qwen2.5vl_merger",
    "qwen2a",
    "qwen2vl_merger",
    "qwen3a",
    "qwen3vl_merger",
    "ultravox",
    "voxtral",
];

/// Looks at all that a load has beside the model. What only the weights can tell is left to the load.
///
/// # Errors
/// [`LoadError::Projector`], [`LoadError::Adapter`] and [`LoadError::DraftModel`].
pub(crate) fn check_parts(request: &LoadRequest) -> Result<(), LoadError> {
    let LoadRequest { path, settings, .. } = request;
    if let Some(projector) = &settings.projector {
        check_projector(projector)?;
        if let Some(fault) = projector_fault(path, projector) {
            return Err(projector_error(projector, fault));
        }
    }
    for adapter in &settings.adapters {
        if let Some(fault) = adapter_fault(path, &adapter.path) {
            return Err(adapter_error(&adapter.path, fault));
        }
    }
    match &settings.draft_model {
        Some(draft) => check_draft(path, draft),
        None => Ok(()),
    }
}

/// Whether a file is a projector that is let into llama.cpp. Reads its header only.
///
/// # Errors
/// [`LoadError::Projector`].
pub(crate) fn check_projector(path: &Path) -> Result<(), LoadError> {
    capture_errors();
    let kinds = projector_kinds(path);
    let lines = take_errors();
    let kinds = kinds.map_err(|error| projector_error(path, error.0))?;
    let kinds = kinds.ok_or_else(|| projector_error(path, lines.join("\n")))?;
    if kinds.is_empty() {
        return Err(projector_error(path, "it is no projector".into()));
    }
    if let Some(kind) = kinds.iter().find(|kind| !PROJECTORS.contains(&kind.as_str())) {
        let kind: String = kind.chars().take(64).collect();
        return Err(projector_error(path, format!("projectors of the kind {kind:?} are not supported")));
    }
    Ok(())
}

/// Reads both vocabularies, but no weights.
fn check_draft(path: &Path, draft: &Path) -> Result<(), LoadError> {
    let read = |path: &Path| {
        capture_errors();
        let outcome = Model::load(path, &ModelSettings::vocabulary_only(), |_| true);
        let lines = take_errors();
        match outcome {
            LoadOutcome::Loaded(model) => Ok(model),
            LoadOutcome::Cancelled | LoadOutcome::Refused => Err(lines),
        }
    };
    let drafting = read(draft).map_err(|lines| draft_refusal(draft, &lines))?;
    // The load itself says what is wrong with the model.
    let Ok(model) = read(path) else { return Ok(()) };
    can_not_draft(&model, &drafting).map_or(Ok(()), |reason| Err(draft_error(draft, reason.into())))
}

/// Why a model can't draft for another; `None` if it can.
pub(crate) fn can_not_draft(model: &Model, draft: &Model) -> Option<&'static str> {
    if !draft.can_generate() {
        Some("it can't write text")
    } else if draft.is_recurrent() {
        Some("it is recurrent, and could not take a guess back")
    } else if !can_draft(model, draft) {
        Some("its vocabulary is not that of the model")
    } else {
        None
    }
}

/// As [`refusal`], of a draft model.
pub(crate) fn draft_refusal(path: &Path, lines: &[String]) -> LoadError {
    match refusal(lines) {
        error @ LoadError::NotEnoughMemory { .. } => error,
        error => draft_error(path, error.to_string()),
    }
}

/// What a draft model has wrong with it.
pub(crate) fn draft_error(path: &Path, reason: String) -> LoadError {
    LoadError::DraftModel { file: file_name(path), reason }
}

/// What an adapter has wrong with it.
pub(crate) fn adapter_error(path: &Path, reason: String) -> LoadError {
    LoadError::Adapter { file: file_name(path), reason }
}

/// What a projector has wrong with it.
pub(crate) fn projector_error(path: &Path, reason: String) -> LoadError {
    LoadError::Projector { file: file_name(path), reason }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

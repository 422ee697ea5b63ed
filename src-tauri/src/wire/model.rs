//! Models: what a file says, how one is loaded, what is loaded.

use std::path::PathBuf;

use engawa_chat::TemplateSource;
use serde::{Deserialize, Serialize};

use super::UiError;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ModelCard {
    path: String,
    file_name: String,
    name: String,
    file_size: u64,
    architecture: String,
    quantization: String,
    parameters: Option<u64>,
    layers: Option<u64>,
    trained_context: Option<u64>,
    has_template: bool,
    memory: Memory,
    settings: LoadSettings,
}

/// Bytes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Memory {
    weights: u64,
    kv_per_token: u64,
    available: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LoadEstimate {
    layers: u32,
    gpu_layers: u32,
    gpus: u32,
    devices: Vec<DeviceMemory>,
    /// Whether it fits, with the adjusted settings if there are any.
    fits: bool,
    adjusted: Option<LoadSettings>,
}

/// Bytes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DeviceMemory {
    name: String,
    available: u64,
    weights: u64,
    context: u64,
    compute: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LoadSettings {
    n_gpu_layers: i32,
    gpu_split: SplitMode,
    main_gpu: u32,
    gpu_shares: Vec<f32>,
    adapters: Vec<Adapter>,
    context_length: u32,
    batch_size: u32,
    threads: u32,
    kv_type_k: KvType,
    kv_type_v: KvType,
    flash_attention: FlashAttention,
    mmap: Mmap,
    use_mlock: bool,
    prompt_lookup: bool,
    draft_model: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SplitMode {
    None,
    Layers,
    Rows,
    Tensors,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Adapter {
    path: PathBuf,
    scale: f32,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum KvType {
    #[serde(rename = "f16")]
    F16,
    #[serde(rename = "q8_0")]
    Q8,
    #[serde(rename = "q4_0")]
    Q4,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum FlashAttention {
    Auto,
    On,
    Off,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mmap {
    Auto,
    On,
    Off,
}

#[derive(Debug, Serialize)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum ModelState {
    None,
    Loading { path: String, name: String, file_size: u64, progress: f32, remaining: Option<u64> },
    Ready { model: Box<LoadedModel> },
    Failed { path: String, name: String, error: UiError },
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LoadedModel {
    path: String,
    name: String,
    file_name: String,
    architecture: String,
    quantization: String,
    parameters: u64,
    file_size: u64,
    context_length: u32,
    layers: u32,
    gpu_layers: u32,
    devices: Vec<String>,
    template: &'static str,
    is_recurrent: bool,
    /// What it is loaded with next time.
    settings: LoadSettings,
}

fn file_name(path: &std::path::Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

impl From<engawa_chat::ModelCard> for ModelCard {
    fn from(card: engawa_chat::ModelCard) -> Self {
        let summary = card.summary;
        Self {
            path: card.path.to_string_lossy().into_owned(),
            file_name: file_name(&card.path),
            name: summary.name,
            file_size: card.file_bytes,
            architecture: summary.architecture,
            quantization: summary.quantization,
            parameters: Some(summary.parameters),
            layers: summary.layers,
            trained_context: summary.context_length,
            has_template: summary.has_chat_template,
            memory: Memory {
                weights: summary.weight_bytes,
                kv_per_token: summary.kv_bytes_per_token.unwrap_or(0),
                available: card.available_bytes.unwrap_or(0),
            },
            settings: card.settings.into(),
        }
    }
}

impl From<engawa_chat::LoadEstimate> for LoadEstimate {
    fn from(estimate: engawa_chat::LoadEstimate) -> Self {
        let devices = estimate.devices.into_iter().map(|device| DeviceMemory {
            name: device.description,
            available: device.memory_free,
            weights: device.weights,
            context: device.context,
            compute: device.compute,
        });
        Self {
            layers: estimate.n_layer,
            gpu_layers: estimate.n_gpu_layer,
            gpus: estimate.n_gpu,
            devices: devices.collect(),
            fits: estimate.fit != engawa_chat::Fit::TooLarge,
            adjusted: match estimate.fit {
                engawa_chat::Fit::Adjusted(settings) => Some((*settings).into()),
                engawa_chat::Fit::Fits | engawa_chat::Fit::TooLarge => None,
            },
        }
    }
}

impl From<&engawa_chat::ModelState> for ModelState {
    fn from(state: &engawa_chat::ModelState) -> Self {
        match state {
            engawa_chat::ModelState::None => Self::None,
            engawa_chat::ModelState::Loading(loading) => Self::Loading {
                path: loading.path.to_string_lossy().into_owned(),
                name: loading.name.clone(),
                file_size: loading.file_bytes,
                progress: loading.progress,
                remaining: loading.remaining.and_then(|time| u64::try_from(time.as_millis()).ok()),
            },
            engawa_chat::ModelState::Ready(model) => Self::Ready { model: Box::new((&**model).into()) },
            engawa_chat::ModelState::Failed { path, name, error } => Self::Failed {
                path: path.to_string_lossy().into_owned(),
                name: name.clone(),
                error: error.clone().into(),
            },
        }
    }
}

impl From<&engawa_chat::LoadedModel> for LoadedModel {
    fn from(model: &engawa_chat::LoadedModel) -> Self {
        let (summary, info) = (&model.summary, &model.info);
        Self {
            path: model.path.to_string_lossy().into_owned(),
            name: summary.name.clone(),
            file_name: file_name(&model.path),
            architecture: summary.architecture.clone(),
            quantization: summary.quantization.clone(),
            parameters: info.n_params,
            file_size: model.file_bytes,
            context_length: info.n_ctx,
            layers: info.n_layer,
            gpu_layers: info.n_gpu_layer,
            devices: info.devices.clone(),
            template: match info.template.source {
                TemplateSource::File => "file",
                TemplateSource::ChatMl => "chatml",
            },
            is_recurrent: info.is_recurrent,
            settings: model.lasting.clone().into(),
        }
    }
}

impl From<engawa_chat::LoadSettings> for LoadSettings {
    fn from(settings: engawa_chat::LoadSettings) -> Self {
        Self {
            n_gpu_layers: settings.n_gpu_layers,
            gpu_split: match settings.gpu_split.mode {
                engawa_chat::SplitMode::None => SplitMode::None,
                engawa_chat::SplitMode::Layers => SplitMode::Layers,
                engawa_chat::SplitMode::Rows => SplitMode::Rows,
                engawa_chat::SplitMode::Tensors => SplitMode::Tensors,
            },
            main_gpu: settings.gpu_split.main,
            gpu_shares: settings.gpu_split.shares,
            adapters: settings.adapters.into_iter().map(|one| Adapter { path: one.path, scale: one.scale }).collect(),
            context_length: settings.n_ctx,
            batch_size: settings.n_batch,
            threads: settings.n_threads,
            kv_type_k: settings.type_k.into(),
            kv_type_v: settings.type_v.into(),
            flash_attention: match settings.flash_attention {
                engawa_chat::FlashAttention::Auto => FlashAttention::Auto,
                engawa_chat::FlashAttention::On => FlashAttention::On,
                engawa_chat::FlashAttention::Off => FlashAttention::Off,
            },
            mmap: match settings.mmap {
                engawa_chat::Mmap::Auto => Mmap::Auto,
                engawa_chat::Mmap::On => Mmap::On,
                engawa_chat::Mmap::Off => Mmap::Off,
            },
            use_mlock: settings.use_mlock,
            prompt_lookup: settings.speculation == engawa_chat::Speculation::PromptLookup,
            draft_model: settings.draft_model,
        }
    }
}

impl From<LoadSettings> for engawa_chat::LoadSettings {
    fn from(settings: LoadSettings) -> Self {
        Self {
            n_gpu_layers: settings.n_gpu_layers,
            gpu_split: engawa_chat::GpuSplit {
                mode: match settings.gpu_split {
                    SplitMode::None => engawa_chat::SplitMode::None,
                    SplitMode::Layers => engawa_chat::SplitMode::Layers,
                    SplitMode::Rows => engawa_chat::SplitMode::Rows,
                    SplitMode::Tensors => engawa_chat::SplitMode::Tensors,
                },
                main: settings.main_gpu,
                shares: settings.gpu_shares,
            },
            adapters: (settings.adapters.into_iter())
                .map(|one| engawa_chat::Adapter { path: one.path, scale: one.scale })
                .collect(),
            n_ctx: settings.context_length,
            n_batch: settings.batch_size,
            n_threads: settings.threads,
            type_k: settings.kv_type_k.into(),
            type_v: settings.kv_type_v.into(),
            flash_attention: match settings.flash_attention {
                FlashAttention::Auto => engawa_chat::FlashAttention::Auto,
                FlashAttention::On => engawa_chat::FlashAttention::On,
                FlashAttention::Off => engawa_chat::FlashAttention::Off,
            },
            mmap: match settings.mmap {
                Mmap::Auto => engawa_chat::Mmap::Auto,
                Mmap::On => engawa_chat::Mmap::On,
                Mmap::Off => engawa_chat::Mmap::Off,
            },
            use_mlock: settings.use_mlock,
            // Messages of the window have no pictures yet.
            projector: None,
            draft_model: settings.draft_model,
            speculation: if settings.prompt_lookup {
                engawa_chat::Speculation::PromptLookup
            } else {
                engawa_chat::Speculation::Off
            },
        }
    }
}

impl From<engawa_chat::KvType> for KvType {
    fn from(kv_type: engawa_chat::KvType) -> Self {
        match kv_type {
            engawa_chat::KvType::F16 => Self::F16,
            engawa_chat::KvType::Q8_0 => Self::Q8,
            engawa_chat::KvType::Q4_0 => Self::Q4,
        }
    }
}

impl From<KvType> for engawa_chat::KvType {
    fn from(kv_type: KvType) -> Self {
        match kv_type {
            KvType::F16 => Self::F16,
            KvType::Q8 => Self::Q8_0,
            KvType::Q4 => Self::Q4_0,
        }
    }
}

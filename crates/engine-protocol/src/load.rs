//! Loading a model: what is asked and what came of it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{Inputs, Purpose};

/// Asks for a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadRequest {
    /// The GGUF.
    pub path: PathBuf,
    /// How to load it.
    pub settings: LoadSettings,
    /// What it is loaded for.
    #[serde(default)]
    pub purpose: Purpose,
    /// Where conversations are kept that have to leave the KV cache; nowhere without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheFolder>,
}

/// A folder for the KV state of conversations. One engine at a time uses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheFolder {
    /// It is made where it is missing. A file's name begins with the owner, then a dot ([`crate::GenerateRequest::owner`]).
    pub path: PathBuf,
    /// What all files may have together; those that were used longest ago go first.
    pub max_bytes: u64,
}

/// How to load a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LoadSettings {
    /// Layers on the GPU: -1 all that fit, 0 none.
    pub n_gpu_layers: i32,
    /// Where there are several GPUs, who takes what.
    pub gpu_split: GpuSplit,
    /// Laid over the weights; what they change adds up.
    pub adapters: Vec<Adapter>,
    /// Tokens of context; 0 takes what the model was trained with.
    pub n_ctx: u32,
    /// Tokens per batch of a prompt; cancelling takes effect between two on a GPU.
    pub n_batch: u32,
    /// Threads; 0 leaves one core free.
    pub n_threads: u32,
    /// Type of the keys in the KV cache.
    pub type_k: KvType,
    /// Type of the values in the KV cache; anything but f16 needs flash attention.
    pub type_v: KvType,
    /// Flash attention.
    pub flash_attention: FlashAttention,
    /// Map the file instead of reading it.
    pub use_mmap: bool,
    /// Keep the weights from being swapped out.
    pub use_mlock: bool,
    /// Whether repetitions are drafted.
    pub speculation: Speculation,
    /// What turns pictures and sounds into what the model reads: its projector file, often named `mmproj`.
    pub projector: Option<PathBuf>,
    /// A smaller model with the same vocabulary that drafts what is no repetition.
    pub draft_model: Option<PathBuf>,
}

impl Default for LoadSettings {
    fn default() -> Self {
        Self {
            n_gpu_layers: -1,
            gpu_split: GpuSplit::default(),
            adapters: Vec::new(),
            n_ctx: 8192,
            n_batch: 512,
            n_threads: 0,
            type_k: KvType::F16,
            type_v: KvType::F16,
            flash_attention: FlashAttention::Auto,
            use_mmap: true,
            use_mlock: false,
            speculation: Speculation::PromptLookup,
            projector: None,
            draft_model: None,
        }
    }
}

/// How a model is spread over several GPUs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GpuSplit {
    /// What is spread.
    pub mode: SplitMode,
    /// The GPU that has all of it where nothing is spread, by its number among the GPUs.
    pub main: u32,
    /// Shares by GPU, of any sum; empty: by the memory that is free.
    pub shares: Vec<f32>,
}

impl Default for GpuSplit {
    fn default() -> Self {
        Self { mode: SplitMode::Layers, main: 0, shares: Vec::new() }
    }
}

/// What of a model is spread over several GPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SplitMode {
    /// Nothing: one GPU has all.
    None,
    /// Each GPU has whole layers.
    Layers,
    /// Each GPU has rows of all matrices, where its back end can do that.
    Rows,
    /// Each GPU has a part of every layer and of its KV cache, and all compute at the same time. Needs flash attention; llama.cpp
    /// knows how for some architectures only.
    Tensors,
}

/// A LoRA adapter: a small change to a model's weights, in a GGUF of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Adapter {
    /// The GGUF.
    pub path: PathBuf,
    /// How much of it: 1 as it was trained, 0 nothing.
    pub scale: f32,
}

/// The number format of keys or values in the KV cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KvType {
    /// 16-bit floats, 2 bytes a value.
    F16,
    /// 8-bit blocks, 1.06 bytes a value.
    Q8_0,
    /// 4-bit blocks, 0.56 bytes a value.
    Q4_0,
}

/// Whether to use flash attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlashAttention {
    /// Where the model and the device support it.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// Whether several tokens are written at once, where they can be drafted. Replies stay the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Speculation {
    /// Each token is written by itself.
    Off,
    /// Drafts are what followed the last tokens earlier in the conversation; used while that is faster.
    PromptLookup,
}

/// A loaded model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// llama.cpp's one-line description, e.g. `qwen2 7B Q4_K - Medium`.
    pub description: String,
    /// As the file names it.
    pub architecture: String,
    /// Number of weights.
    pub n_params: u64,
    /// Bytes of the weights.
    pub size_bytes: u64,
    /// Tokens of context it was trained with.
    pub n_ctx_train: u32,
    /// Tokens of context it was loaded with.
    pub n_ctx: u32,
    /// Numbers of an embedding, or of what a reranker says.
    pub n_embd: u32,
    /// Layers that can be put on a GPU, the output layer included.
    pub n_layer: u32,
    /// Layers that are on a GPU.
    pub n_gpu_layer: u32,
    /// GPUs in use, by name; empty on the CPU.
    pub devices: Vec<String>,
    /// What it takes of each device, the host last, as told before it was loaded; empty where that could not be told.
    pub memory: Vec<DeviceMemory>,
    /// Threads in use.
    pub n_threads: u32,
    /// The chat template in use.
    pub template: TemplateInfo,
    /// What messages may have beside text.
    #[serde(default)]
    pub inputs: Inputs,
    /// Whether some of its layers keep one state in place of all tokens: of a conversation that goes on in another way, all is read
    /// again unless only its last message or reply changed.
    #[serde(default)]
    pub is_recurrent: bool,
}

/// What a load would take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadEstimate {
    /// Layers that can be put on a GPU, the output layer included.
    pub n_layer: u32,
    /// Layers that would be on a GPU.
    pub n_gpu_layer: u32,
    /// GPUs that there are.
    pub n_gpu: u32,
    /// The GPUs that llama.cpp would use with these settings, then the host.
    pub devices: Vec<DeviceMemory>,
}

/// What a load would take of one device, and what that has. In bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceMemory {
    /// ggml's short name, e.g. "Vulkan0"; empty for the host.
    pub name: String,
    /// What a person calls it; empty for the host.
    pub description: String,
    /// Free now.
    pub memory_free: u64,
    /// In all.
    pub memory_total: u64,
    /// Weights. Where the host has them mapped, the system keeps of them what it has room for.
    pub weights: u64,
    /// The KV cache.
    pub context: u64,
    /// Buffers for computing.
    pub compute: u64,
}

/// The chat template in use and what it can do, found out by trying it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateInfo {
    /// Where it comes from.
    pub source: TemplateSource,
    /// Whether the first message may be the model's own (a greeting).
    pub accepts_assistant_first: bool,
    /// Whether the same speaker may speak twice in a row.
    pub accepts_repeated_roles: bool,
    /// Whether it marks thinking.
    pub supports_thinking: bool,
}

/// Where a chat template comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TemplateSource {
    /// The model's file.
    File,
    /// The file has none, or one that can't be used: ChatML.
    ChatMl,
}

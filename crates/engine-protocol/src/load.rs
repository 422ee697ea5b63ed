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
    /// Bytes of the host that something else gives back before the load begins; an estimate counts them as free.
    #[serde(default)]
    pub host_freed: u64,
}

impl LoadRequest {
    /// A model to talk with, of which nothing is kept on disk.
    #[must_use]
    pub fn new(path: PathBuf, settings: LoadSettings) -> Self {
        Self { path, settings, purpose: Purpose::Replies, cache: None, host_freed: 0 }
    }
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
    /// Whether the weights stay in the file, which is mapped.
    pub mmap: Mmap,
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
            mmap: Mmap::Auto,
            use_mlock: false,
            speculation: Speculation::PromptLookup,
            projector: None,
            draft_model: None,
        }
    }
}

impl LoadSettings {
    /// A context smaller than this is no use, in tokens.
    pub const SMALLEST_CONTEXT: u32 = 2048;

    /// What takes less of the host's memory and writes the same: without the draft model, then not locked, then mapped where
    /// [`Mmap::Off`] forbids it; `None` when nothing of that is left.
    #[must_use]
    pub fn frugal(&self) -> Option<Self> {
        if self.draft_model.is_some() {
            Some(Self { draft_model: None, ..self.clone() })
        } else if self.use_mlock {
            Some(Self { use_mlock: false, ..self.clone() })
        } else if self.mmap == Mmap::Off {
            Some(Self { mmap: Mmap::On, ..self.clone() })
        } else {
            None
        }
    }

    /// With keys and values of 8 bits in place of 16; `None` where there are none of 16, or flash attention, which such values need,
    /// is off.
    #[must_use]
    pub fn quantized(&self) -> Option<Self> {
        let is_large = [self.type_k, self.type_v].contains(&KvType::F16);
        let smaller = |kv_type| if kv_type == KvType::F16 { KvType::Q8_0 } else { kv_type };
        (is_large && self.flash_attention != FlashAttention::Off).then(|| Self {
            type_k: smaller(self.type_k),
            type_v: smaller(self.type_v),
            ..self.clone()
        })
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
    /// Each GPU has rows of all matrices, where its back end can do that; whole layers where it can't.
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

/// Whether the weights are mapped from their file instead of read into memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mmap {
    /// Unless no GPU is there, memory is plentiful and the system gives large pages of it, in which they are faster.
    Auto,
    /// Always: the load is quick, and what memory has no room for is read again.
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadEstimate {
    /// Layers that can be put on a GPU, the output layer included.
    pub n_layer: u32,
    /// Layers that would be on a GPU.
    pub n_gpu_layer: u32,
    /// GPUs that there are.
    pub n_gpu: u32,
    /// The GPUs that llama.cpp would use, then the host.
    pub devices: Vec<DeviceMemory>,
    /// Whether that is free on the host.
    pub fit: Fit,
}

/// Whether what a load takes of the host's memory is free there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// It is.
    Fits,
    /// Not with what was asked for; with these settings, which are closest to that.
    Adjusted(Box<LoadSettings>),
    /// Not with any settings.
    TooLarge,
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
    /// Weights.
    pub weights: u64,
    /// Of the weights, those that are mapped from the file: the system keeps of them what it has room for, and counts them as free.
    pub mapped: u64,
    /// The KV cache, and what drafts need.
    pub context: u64,
    /// Buffers for computing.
    pub compute: u64,
}

impl DeviceMemory {
    /// What has to be free for it: all but what is mapped.
    #[must_use]
    pub fn needed(&self) -> u64 {
        self.weights.saturating_sub(self.mapped).saturating_add(self.context).saturating_add(self.compute)
    }
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

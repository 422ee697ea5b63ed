mod weights;

use std::path::Path;

use crate::TestkitError;
use crate::gguf::{TensorType, Value, Writer};
use crate::template::Template;
use crate::tokenizer::Tokenizer;
use weights::Weights;

/// Tokens that the convolution of a state space model looks back on.
const STATE_SPACE_KERNEL: u32 = 4;
/// Numbers of its state for each inner feature.
const STATE_SPACE_SIZE: u32 = 16;

/// The architectures whose tensors are known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// The tensors of Llama and Mistral.
    Llama,
    /// Like llama, with biases at query, key and value.
    Qwen2,
    /// Like qwen2, with positions in time, height and width.
    Qwen2Vl,
    /// Llama's blocks and, behind them, heads that guess further tokens ([`RandomModel::guessing`]).
    MiMo2,
    /// A hybrid: every second block is a gated delta net, which keeps one state of all that was read; with heads as [`Architecture::MiMo2`] has them.
    Qwen35,
    /// A state space model without attention: recurrent, so it can't forget a part of what it has read.
    Mamba,
    /// An encoder: its file says that the mean of a text's vectors is its vector.
    Bert,
    /// An encoder with a head that scores documents.
    Reranker,
}

impl Architecture {
    fn name(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Qwen2 => "qwen2",
            Self::Qwen2Vl => "qwen2vl",
            Self::MiMo2 => "mimo2",
            Self::Qwen35 => "qwen35",
            Self::Mamba => "mamba",
            Self::Bert | Self::Reranker => "bert",
        }
    }
}

/// Builds a model with random weights: it loads, runs and babbles.
///
/// As it is: llama, 2 layers, dimension 64, 2 heads of 32, F32, about 0.5 MB.
#[derive(Debug, Clone)]
pub struct RandomModel {
    architecture: Architecture,
    architecture_name: Option<String>,
    name: String,
    seed: u64,
    layers: u32,
    dimension: u32,
    heads: u32,
    kv_heads: u32,
    feed_forward: u32,
    vocabulary: usize,
    context_length: u32,
    tensor_type: TensorType,
    tied: bool,
    window: Option<u32>,
    guessing: u32,
    missing_guessing: u32,
    foreseeable: bool,
    experts: u32,
    template: Template,
}

impl Default for RandomModel {
    fn default() -> Self {
        Self {
            architecture: Architecture::Llama,
            architecture_name: None,
            name: "Random".to_owned(),
            seed: 1,
            layers: 2,
            dimension: 64,
            heads: 2,
            kv_heads: 1,
            feed_forward: 128,
            vocabulary: 0,
            context_length: 4096,
            tensor_type: TensorType::F32,
            tied: false,
            window: None,
            guessing: 0,
            missing_guessing: 0,
            foreseeable: false,
            experts: 0,
            template: Template::default(),
        }
    }
}

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $kind:ty;)*) => {
        $($(#[$doc])*
        #[must_use]
        pub fn $name(mut self, $name: $kind) -> Self {
            self.$name = $name;
            self
        })*
    };
}

impl RandomModel {
    /// Starts from the tiny model that [`RandomModel`] describes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts from the shape of Qwen2.5 0.5B in [`TensorType::Q8_0`]: 494 million parameters, 0.53 GB, for benchmarks.
    #[must_use]
    pub fn half_billion() -> Self {
        Self::new()
            .architecture(Architecture::Qwen2)
            .name("Random 0.5B")
            .layers(24)
            .dimension(896)
            .heads(14)
            .kv_heads(2)
            .feed_forward(4864)
            .vocabulary(151_936)
            .context_length(32_768)
            .tensor_type(TensorType::Q8_0)
            .tied(true)
    }

    /// Starts from the shape of Qwen2.5 1.5B in [`TensorType::Q8_0`]: 1,544 million parameters, 1.6 GB, for benchmarks.
    #[must_use]
    pub fn one_and_a_half_billion() -> Self {
        Self::half_billion().name("Random 1.5B").layers(28).dimension(1536).heads(12).kv_heads(2).feed_forward(8960)
    }

    setters! {
        /// Sets which tensors there are.
        architecture: Architecture;
        /// Sets the seed of the weights.
        seed: u64;
        /// Sets the number of blocks.
        layers: u32;
        /// Sets the embedding length, a multiple of the number of heads.
        dimension: u32;
        /// Sets the number of attention heads; the head length must be a multiple of 32 for quantised KV caches.
        heads: u32;
        /// Sets the number of key and value heads, a divisor of the number of heads.
        kv_heads: u32;
        /// Sets the length of the feed-forward layers.
        feed_forward: u32;
        /// Sets the least number of tokens; made-up words fill up what the tokenizer lacks.
        vocabulary: usize;
        /// Sets the context length that the model says it was trained for, in tokens.
        context_length: u32;
        /// Sets how matrices are stored; vectors are always F32.
        tensor_type: TensorType;
        /// Sets whether the output matrix is the embedding matrix.
        tied: bool;
        /// Sets how many tokens back the first block of [`Architecture::MiMo2`] sees; `None`: all.
        window: Option<u32>;
        /// Sets how many heads of [`Architecture::MiMo2`] and [`Architecture::Qwen35`] guess a token further each.
        guessing: u32;
        /// Sets how many more of them the file says to have, without their tensors.
        missing_guessing: u32;
        /// Makes what follows depend on the last token alone, so that heads that guess are always right.
        foreseeable: bool;
        /// Sets how many experts the feed-forward layers of llama's blocks have, of which each token takes two; 0: none.
        experts: u32;
        /// Sets the chat template.
        template: Template;
    }

    /// Sets the name in the metadata.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Makes the file say another architecture than the one its tensors are of.
    #[must_use]
    pub fn architecture_name(mut self, name: impl Into<String>) -> Self {
        self.architecture_name = Some(name.into());
        self
    }

    /// Writes the model, replacing what was there.
    ///
    /// # Errors
    /// [`TestkitError::Shape`] if the sizes do not fit together, [`TestkitError::Io`] if the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), TestkitError> {
        self.check()?;
        let mut tokenizer = Tokenizer::trained();
        tokenizer.pad(self.vocabulary);
        let mut writer = Writer::new();
        self.describe(&mut writer);
        tokenizer.describe(&mut writer);
        self.template.describe(&mut writer);
        Weights::new(self, &mut writer).add(tokenizer.len() as u64);
        writer.write(path)
    }

    fn check(&self) -> Result<(), TestkitError> {
        let sizes = [self.layers, self.dimension, self.heads, self.kv_heads, self.feed_forward, self.context_length];
        let problem = if sizes.contains(&0) {
            "a size is zero"
        } else if !self.dimension.is_multiple_of(self.heads * 2) {
            "the dimension is not an even number for each head"
        } else if !self.heads.is_multiple_of(self.kv_heads) {
            "the heads do not share the key and value heads evenly"
        } else {
            return Ok(());
        };
        Err(TestkitError::Shape { what: problem.to_owned() })
    }

    fn is_encoder(&self) -> bool {
        matches!(self.architecture, Architecture::Bert | Architecture::Reranker)
    }

    fn describe(&self, writer: &mut Writer) {
        let architecture = self.architecture_name.as_deref().unwrap_or_else(|| self.architecture.name());
        writer
            .set("general.architecture", architecture)
            .set("general.name", self.name.as_str())
            .set("general.file_type", self.tensor_type.file_type());
        let mut set = |key: &str, value: u32| {
            writer.set(format!("{architecture}.{key}"), value);
        };
        set("context_length", self.context_length);
        set("embedding_length", self.dimension);
        let guessing = self.guessing + self.missing_guessing;
        set("block_count", self.layers + guessing);
        if self.is_encoder() {
            set("feed_forward_length", self.feed_forward);
            set("attention.head_count", self.heads);
            set("pooling_type", if self.architecture == Architecture::Reranker { 4 } else { 1 });
            writer.set("tokenizer.ggml.token_type_count", 2_u32);
            writer.set(format!("{architecture}.attention.causal"), false);
            writer.set(format!("{architecture}.attention.layer_norm_epsilon"), 1e-12_f32);
            return;
        }
        if self.architecture == Architecture::Mamba {
            set("attention.head_count", 0);
            set("ssm.conv_kernel", STATE_SPACE_KERNEL);
            set("ssm.inner_size", 2 * self.dimension);
            set("ssm.state_size", STATE_SPACE_SIZE);
            set("ssm.time_step_rank", self.dimension.div_ceil(16));
        } else {
            set("feed_forward_length", self.feed_forward);
            set("attention.head_count", self.heads);
            set("attention.head_count_kv", self.kv_heads);
        }
        if guessing > 0 {
            set("nextn_predict_layers", guessing);
        }
        if self.experts > 0 {
            set("expert_count", self.experts);
            set("expert_used_count", self.experts.min(2));
        }
        let head = self.dimension / self.heads;
        match self.architecture {
            Architecture::MiMo2 => {
                set("attention.sliding_window", self.window.unwrap_or(self.context_length));
                set("expert_feed_forward_length", self.feed_forward);
                // llama.cpp wants one block to have a window.
                let window = Value::U32s((0..self.layers + guessing).map(|block| u32::from(block == 0)).collect());
                writer.set(format!("{architecture}.attention.sliding_window_pattern"), window);
            }
            Architecture::Qwen35 => {
                set("full_attention_interval", 2);
                set("ssm.conv_kernel", STATE_SPACE_KERNEL);
                set("ssm.inner_size", self.dimension);
                set("ssm.state_size", head);
                set("ssm.time_step_rank", self.heads);
                set("ssm.group_count", self.kv_heads);
                let sections = Value::I32s(vec![i32::try_from(head / 2).unwrap_or(i32::MAX), 0, 0, 0]);
                writer.set(format!("{architecture}.rope.dimension_sections"), sections);
            }
            _ => {}
        }
        if self.architecture == Architecture::Qwen2Vl {
            // Pairs of a head's numbers that turn with the time, the height and the width.
            let pairs = i32::try_from(self.dimension / self.heads / 2).unwrap_or(i32::MAX);
            let sections = [pairs - pairs / 8 * 6, pairs / 8 * 3, pairs / 8 * 3, 0];
            writer.set(format!("{architecture}.rope.dimension_sections"), Value::I32s(sections.to_vec()));
        }
        writer.set(format!("{architecture}.attention.layer_norm_rms_epsilon"), 1e-5_f32);
        writer.set(format!("{architecture}.rope.freq_base"), 10_000.0_f32);
    }
}

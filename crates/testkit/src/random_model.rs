use std::path::Path;
use std::rc::Rc;

use crate::TestkitError;
use crate::gguf::{Pattern, Source, TensorType, Value, Writer};
use crate::noise::Noise;
use crate::template::Template;
use crate::tokenizer::Tokenizer;

/// Above this number of values a tensor repeats a pattern: a model for benchmarks is made in seconds.
const PATTERN_FROM: u64 = 4 << 20;

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
        Weights { model: self, writer: &mut writer, noise: Noise::new(self.seed), patterns: Vec::new() }
            .add(tokenizer.len() as u64);
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

/// Adds the tensors of a model to a file.
struct Weights<'a> {
    model: &'a RandomModel,
    writer: &'a mut Writer,
    noise: Noise,
    /// One of each type.
    patterns: Vec<Rc<Pattern>>,
}

impl Weights<'_> {
    fn add(mut self, tokens: u64) {
        let dimension = u64::from(self.model.dimension);
        let feed_forward = u64::from(self.model.feed_forward);
        let kv_length = dimension / u64::from(self.model.heads) * u64::from(self.model.kv_heads);
        self.matrix("token_embd.weight", dimension, tokens);
        if self.model.is_encoder() {
            return self.add_encoder(dimension, feed_forward);
        }
        if !self.model.tied {
            self.matrix("output.weight", dimension, tokens);
        }
        self.vector("output_norm.weight", dimension, 1.0);
        for layer in 0..self.model.layers + self.model.guessing {
            if self.model.architecture == Architecture::Mamba {
                self.add_state_space(layer, dimension);
                continue;
            }
            let name = |part: &str| format!("blk.{layer}.{part}");
            self.vector(&name("attn_norm.weight"), dimension, 1.0);
            if self.model.architecture == Architecture::Qwen35 {
                self.add_hybrid(layer, dimension, kv_length, feed_forward);
                continue;
            }
            if self.model.architecture == Architecture::MiMo2 {
                self.matrix(&name("attn_qkv.weight"), dimension, dimension + 2 * kv_length);
            } else {
                for (part, length) in [("attn_q", dimension), ("attn_k", kv_length), ("attn_v", kv_length)] {
                    self.matrix(&name(&format!("{part}.weight")), dimension, length);
                    if matches!(self.model.architecture, Architecture::Qwen2 | Architecture::Qwen2Vl) {
                        self.vector(&name(&format!("{part}.bias")), length, 0.0);
                    }
                }
            }
            self.returning(&name("attn_output.weight"), dimension, dimension);
            self.vector(&name("ffn_norm.weight"), dimension, 1.0);
            if self.model.experts > 0 {
                self.add_experts(&name("ffn"), dimension, feed_forward);
                continue;
            }
            self.matrix(&name("ffn_gate.weight"), dimension, feed_forward);
            self.matrix(&name("ffn_up.weight"), dimension, feed_forward);
            self.returning(&name("ffn_down.weight"), feed_forward, dimension);
            if layer >= self.model.layers {
                self.add_guessing(&name("nextn"), dimension);
            }
        }
    }

    /// A feed-forward layer of which each token takes two experts (Mixtral's).
    fn add_experts(&mut self, name: &str, dimension: u64, feed_forward: u64) {
        let experts = u64::from(self.model.experts);
        self.plain_matrix(&format!("{name}_gate_inp.weight"), dimension, experts);
        self.stack(&format!("{name}_gate_exps.weight"), &[dimension, feed_forward, experts]);
        self.stack(&format!("{name}_up_exps.weight"), &[dimension, feed_forward, experts]);
        self.stack(&format!("{name}_down_exps.weight"), &[feed_forward, dimension, experts]);
    }

    /// The rest of a block of Qwen3.5: a gated delta net or a gated attention, and a feed-forward layer.
    fn add_hybrid(&mut self, layer: u32, dimension: u64, kv_length: u64, feed_forward: u64) {
        let name = |part: &str| format!("blk.{layer}.{part}");
        let (heads, head) = (u64::from(self.model.heads), dimension / u64::from(self.model.heads));
        if layer < self.model.layers && layer.is_multiple_of(2) {
            let mixed = 2 * kv_length + dimension;
            self.matrix(&name("attn_qkv.weight"), dimension, mixed);
            self.matrix(&name("attn_gate.weight"), dimension, dimension);
            self.plain_matrix(&name("ssm_conv1d.weight"), u64::from(STATE_SPACE_KERNEL), mixed);
            self.vector(&name("ssm_dt.bias"), heads, 0.0);
            self.vector(&name("ssm_a"), heads, -0.5);
            self.matrix(&name("ssm_beta.weight"), dimension, heads);
            self.matrix(&name("ssm_alpha.weight"), dimension, heads);
            self.vector(&name("ssm_norm.weight"), head, 1.0);
            self.returning(&name("ssm_out.weight"), dimension, dimension);
        } else {
            self.matrix(&name("attn_q.weight"), dimension, 2 * dimension);
            self.matrix(&name("attn_k.weight"), dimension, kv_length);
            self.matrix(&name("attn_v.weight"), dimension, kv_length);
            self.vector(&name("attn_q_norm.weight"), head, 1.0);
            self.vector(&name("attn_k_norm.weight"), head, 1.0);
            self.returning(&name("attn_output.weight"), dimension, dimension);
        }
        self.vector(&name("post_attention_norm.weight"), dimension, 1.0);
        self.matrix(&name("ffn_gate.weight"), dimension, feed_forward);
        self.matrix(&name("ffn_up.weight"), dimension, feed_forward);
        self.returning(&name("ffn_down.weight"), feed_forward, dimension);
        if layer >= self.model.layers {
            self.add_guessing(&name("nextn"), dimension);
        }
    }

    /// A matrix by which a block adds what it made.
    fn returning(&mut self, name: &str, row_length: u64, rows: u64) {
        if self.model.foreseeable {
            self.sparse(name, row_length, rows, |_, _| {});
        } else {
            self.matrix(name, row_length, rows);
        }
    }

    /// What joins a token and the state in front of it for a head that guesses.
    fn add_guessing(&mut self, name: &str, dimension: u64) {
        self.vector(&format!("{name}.enorm.weight"), dimension, 1.0);
        self.vector(&format!("{name}.hnorm.weight"), dimension, 1.0);
        let joint = format!("{name}.eh_proj.weight");
        if self.model.foreseeable {
            // The token counts, the state does not.
            self.sparse(&joint, 2 * dimension, dimension, |row, numbers| numbers[row] = 1.0);
        } else {
            self.matrix(&joint, 2 * dimension, dimension);
        }
    }

    /// A matrix of zeros but for what `fill` puts into its rows.
    fn sparse(&mut self, name: &str, row_length: u64, rows: u64, fill: impl Fn(usize, &mut [f32]) + 'static) {
        let fill = move |row: usize, numbers: &mut [f32]| {
            numbers.fill(0.0);
            fill(row, numbers);
        };
        let source = Source::Rows(Box::new(fill));
        self.writer.tensor(name, &[row_length, rows], TensorType::F32, source);
    }

    /// The tensors of BERT behind the embeddings of tokens.
    fn add_encoder(&mut self, dimension: u64, feed_forward: u64) {
        self.plain_matrix("token_types.weight", dimension, 2);
        self.plain_matrix("position_embd.weight", dimension, u64::from(self.model.context_length));
        self.norm("token_embd_norm", dimension);
        for layer in 0..self.model.layers {
            let name = |part: &str| format!("blk.{layer}.{part}");
            for part in ["attn_q", "attn_k", "attn_v", "attn_output"] {
                self.layer(&name(part), dimension, dimension);
            }
            self.norm(&name("attn_output_norm"), dimension);
            self.layer(&name("ffn_up"), dimension, feed_forward);
            self.layer(&name("ffn_down"), feed_forward, dimension);
            self.norm(&name("layer_output_norm"), dimension);
        }
        if self.model.architecture == Architecture::Reranker {
            self.layer("cls", dimension, dimension);
            self.layer("cls.output", dimension, 1);
        }
    }

    /// A matrix with a bias.
    fn layer(&mut self, name: &str, row_length: u64, rows: u64) {
        self.matrix(&format!("{name}.weight"), row_length, rows);
        self.vector(&format!("{name}.bias"), rows, 0.0);
    }

    fn norm(&mut self, name: &str, dimension: u64) {
        self.vector(&format!("{name}.weight"), dimension, 1.0);
        self.vector(&format!("{name}.bias"), dimension, 0.0);
    }

    /// The tensors of one block of Mamba.
    fn add_state_space(&mut self, layer: u32, dimension: u64) {
        let name = |part: &str| format!("blk.{layer}.{part}");
        let (inner, size, rank) = (2 * dimension, u64::from(STATE_SPACE_SIZE), dimension.div_ceil(16));
        self.vector(&name("attn_norm.weight"), dimension, 1.0);
        self.matrix(&name("ssm_in.weight"), dimension, 2 * inner);
        self.plain_matrix(&name("ssm_conv1d.weight"), u64::from(STATE_SPACE_KERNEL), inner);
        self.vector(&name("ssm_conv1d.bias"), inner, 0.0);
        self.matrix(&name("ssm_x.weight"), inner, rank + 2 * size);
        self.plain_matrix(&name("ssm_dt.weight"), rank, inner);
        self.vector(&name("ssm_dt.bias"), inner, 0.0);
        let decay = (0..inner * size).map(|index| -((index % size + 1) as f32)).collect();
        self.writer.tensor(name("ssm_a"), &[size, inner], TensorType::F32, Source::Values(decay));
        self.vector(&name("ssm_d"), inner, 1.0);
        self.matrix(&name("ssm_out.weight"), inner, dimension);
    }

    /// A small matrix that llama.cpp wants as F32.
    fn plain_matrix(&mut self, name: &str, row_length: u64, rows: u64) {
        let deviation = 1.0 / (row_length as f32).sqrt();
        let mut noise = Noise::new(self.noise.bits());
        let fill = move |_: usize, row: &mut [f32]| noise.fill_normal(row, deviation);
        self.writer.tensor(name, &[row_length, rows], TensorType::F32, Source::Rows(Box::new(fill)));
    }

    fn pattern(&mut self, tensor_type: TensorType, seed: u64) -> Rc<Pattern> {
        if let Some(pattern) = self.patterns.iter().find(|pattern| pattern.tensor_type() == tensor_type) {
            return Rc::clone(pattern);
        }
        let deviation = 1.0 / (self.model.dimension as f32).sqrt();
        let pattern = Rc::new(Pattern::normal(tensor_type, deviation, seed));
        self.patterns.push(Rc::clone(&pattern));
        pattern
    }

    fn vector(&mut self, name: &str, length: u64, value: f32) {
        self.writer.tensor(name, &[length], TensorType::F32, Source::Values(vec![value; length as usize]));
    }

    fn matrix(&mut self, name: &str, row_length: u64, rows: u64) {
        self.stack(name, &[row_length, rows]);
    }

    /// Matrices of one shape, `[row length, rows, matrices]`, or one.
    fn stack(&mut self, name: &str, shape: &[u64]) {
        let (row_length, rows) = (shape[0], shape[1..].iter().product::<u64>());
        let mut tensor_type = self.model.tensor_type;
        if tensor_type == TensorType::Q4K && !row_length.is_multiple_of(tensor_type.block_length() as u64) {
            tensor_type = TensorType::Q8_0;
        }
        let deviation = 1.0 / (row_length as f32).sqrt();
        let seed = self.noise.bits();
        let whole_blocks = row_length.is_multiple_of(tensor_type.block_length() as u64);
        let source = if whole_blocks && row_length * rows >= PATTERN_FROM {
            Source::Pattern { pattern: self.pattern(tensor_type, seed), seed }
        } else {
            let mut noise = Noise::new(seed);
            Source::Rows(Box::new(move |_, row| noise.fill_normal(row, deviation)))
        };
        self.writer.tensor(name, shape, tensor_type, source);
    }
}

//! The tensors of a random model, by architecture.

use std::rc::Rc;

use super::{Architecture, RandomModel, STATE_SPACE_KERNEL, STATE_SPACE_SIZE};
use crate::gguf::{Pattern, Source, TensorType, Writer};
use crate::noise::Noise;

/// Above this number of values a tensor repeats a pattern: a model for benchmarks is made in seconds.
const PATTERN_FROM: u64 = 4 << 20;

/// Adds the tensors of a model to a file.
pub(super) struct Weights<'a> {
    model: &'a RandomModel,
    writer: &'a mut Writer,
    noise: Noise,
    /// One of each type.
    patterns: Vec<Rc<Pattern>>,
}

impl<'a> Weights<'a> {
    pub(super) fn new(model: &'a RandomModel, writer: &'a mut Writer) -> Self {
        Self { model, writer, noise: Noise::new(model.seed), patterns: Vec::new() }
    }

    /// Adds all of them; the vocabulary has `tokens`.
    pub(super) fn add(mut self, tokens: u64) {
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

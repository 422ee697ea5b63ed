use std::path::Path;

use crate::gguf::{Source, TensorType, Value, Writer};
use crate::{Noise, TestkitError};

/// Builds a projector file with random weights: a small vision transformer for pictures.
///
/// As it is: 56 × 56 pixels in patches of 14, for [`RandomModel`](crate::RandomModel) as that is. A picture becomes 16 tokens.
#[derive(Debug, Clone)]
pub struct RandomProjector {
    dimension: u32,
    is_qwen2_vl: bool,
}

const SIDE: u32 = 56;
const PATCH: u32 = 14;
const WIDTH: u32 = 32;
const FEED_FORWARD: u32 = 64;
const HEADS: u32 = 2;
const LAYERS: u32 = 2;

impl Default for RandomProjector {
    fn default() -> Self {
        Self { dimension: 64, is_qwen2_vl: false }
    }
}

impl RandomProjector {
    /// The tokens that a picture becomes.
    pub const TOKENS: u32 = (SIDE / PATCH) * (SIDE / PATCH);

    /// Starts from the projector that [`RandomProjector`] describes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the length of the model's embeddings.
    #[must_use]
    pub fn dimension(mut self, dimension: u32) -> Self {
        self.dimension = dimension;
        self
    }

    /// Makes it that of Qwen2-VL: pictures keep their shape, and have rows and columns of tokens.
    #[must_use]
    pub fn qwen2_vl(mut self) -> Self {
        self.is_qwen2_vl = true;
        self
    }

    /// Writes the projector, replacing what was there.
    ///
    /// # Errors
    /// [`TestkitError::Io`] if the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), TestkitError> {
        let mut writer = Writer::new();
        writer
            .set("general.type", "mmproj")
            .set("general.architecture", "clip")
            .set("clip.has_vision_encoder", true)
            .set("clip.projector_type", if self.is_qwen2_vl { "qwen2vl_merger" } else { "mlp" })
            .set("clip.use_gelu", true)
            .set("clip.vision.image_size", SIDE)
            .set("clip.vision.patch_size", PATCH)
            .set("clip.vision.embedding_length", WIDTH)
            .set("clip.vision.feed_forward_length", FEED_FORWARD)
            .set("clip.vision.projection_dim", self.dimension)
            .set("clip.vision.block_count", LAYERS)
            .set("clip.vision.attention.head_count", HEADS)
            .set("clip.vision.attention.layer_norm_epsilon", 1e-5_f32)
            .set("clip.vision.image_mean", Value::F32s(vec![0.5; 3]))
            .set("clip.vision.image_std", Value::F32s(vec![0.5; 3]));
        let (width, hidden, out) = (u64::from(WIDTH), u64::from(FEED_FORWARD), u64::from(self.dimension));
        let patch = u64::from(PATCH);
        let mut tensors = Tensors { writer: &mut writer, seed: 0 };
        tensors.random("v.patch_embd.weight", &[patch, patch, 3, width], 0.05);
        if self.is_qwen2_vl {
            // One for each of two frames of a film.
            tensors.random("v.patch_embd.weight.1", &[patch, patch, 3, width], 0.05);
        } else {
            tensors.random("v.class_embd", &[width], 1.0);
            tensors.random("v.position_embd.weight", &[width, u64::from(Self::TOKENS) + 1], 1.0);
            tensors.norm("v.pre_ln", width);
        }
        tensors.norm("v.post_ln", width);
        for layer in 0..LAYERS {
            for part in ["attn_q", "attn_k", "attn_v", "attn_out"] {
                tensors.linear(&format!("v.blk.{layer}.{part}"), width, width);
            }
            tensors.norm(&format!("v.blk.{layer}.ln1"), width);
            tensors.norm(&format!("v.blk.{layer}.ln2"), width);
            tensors.linear(&format!("v.blk.{layer}.ffn_up"), width, hidden);
            tensors.linear(&format!("v.blk.{layer}.ffn_down"), hidden, width);
        }
        // Four patches of Qwen2-VL become one token.
        let (from, between) = if self.is_qwen2_vl { (4 * width, 4 * width) } else { (width, out) };
        tensors.linear("mm.0", from, between);
        tensors.linear("mm.2", between, out);
        writer.write(path)
    }
}

struct Tensors<'writer> {
    writer: &'writer mut Writer,
    seed: u64,
}

impl Tensors<'_> {
    fn random(&mut self, name: &str, shape: &[u64], deviation: f32) {
        self.seed += 1;
        let mut noise = Noise::new(self.seed);
        let fill = move |_: usize, row: &mut [f32]| noise.fill_normal(row, deviation);
        self.writer.tensor(name, shape, TensorType::F32, Source::Rows(Box::new(fill)));
    }

    fn linear(&mut self, name: &str, from: u64, to: u64) {
        self.random(&format!("{name}.weight"), &[from, to], 1.0 / (from as f32).sqrt());
        self.random(&format!("{name}.bias"), &[to], 0.1);
    }

    fn norm(&mut self, name: &str, length: u64) {
        let ones = Source::Rows(Box::new(|_: usize, row: &mut [f32]| row.fill(1.0)));
        self.writer.tensor(format!("{name}.weight"), &[length], TensorType::F32, ones);
        self.random(&format!("{name}.bias"), &[length], 0.1);
    }
}

use std::path::Path;

use crate::gguf::{Source, TensorType, Value, Writer};
use crate::{Noise, TestkitError};

/// Builds a projector file with random weights: a small transformer for pictures or sounds.
///
/// As it is: for pictures of 56 × 56 pixels in patches of 14, and for [`RandomModel`](crate::RandomModel) as that is.
#[derive(Debug, Clone)]
pub struct RandomProjector {
    dimension: u32,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Llava,
    Qwen2Vl,
    Qwen2Audio,
}

const SIDE: u32 = 56;
const PATCH: u32 = 14;
const WIDTH: u32 = 32;
const FEED_FORWARD: u32 = 64;
const HEADS: u32 = 2;
const LAYERS: u32 = 2;
/// Of a sound: its bands, and the places in half a minute.
const BANDS: u32 = 80;
const PLACES: u64 = 1500;

impl Default for RandomProjector {
    fn default() -> Self {
        Self { dimension: 64, kind: Kind::Llava }
    }
}

impl RandomProjector {
    /// The tokens that a picture becomes, as it is.
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
        self.kind = Kind::Qwen2Vl;
        self
    }

    /// Makes it that of Qwen2-Audio: it takes sounds, and half a minute becomes 750 tokens.
    #[must_use]
    pub fn qwen2_audio(mut self) -> Self {
        self.kind = Kind::Qwen2Audio;
        self
    }

    /// Writes the projector, replacing what was there.
    ///
    /// # Errors
    /// [`TestkitError::Io`] if the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), TestkitError> {
        let mut writer = Writer::new();
        let (sense, projector) = match self.kind {
            Kind::Llava => ("vision", "mlp"),
            Kind::Qwen2Vl => ("vision", "qwen2vl_merger"),
            Kind::Qwen2Audio => ("audio", "qwen2a"),
        };
        writer
            .set("general.type", "mmproj")
            .set("general.architecture", "clip")
            .set(format!("clip.has_{sense}_encoder"), true)
            .set("clip.projector_type", projector)
            .set("clip.use_gelu", true)
            .set(format!("clip.{sense}.embedding_length"), WIDTH)
            .set(format!("clip.{sense}.feed_forward_length"), FEED_FORWARD)
            .set(format!("clip.{sense}.projection_dim"), self.dimension)
            .set(format!("clip.{sense}.block_count"), LAYERS)
            .set(format!("clip.{sense}.attention.head_count"), HEADS)
            .set(format!("clip.{sense}.attention.layer_norm_epsilon"), 1e-5_f32);
        if self.kind == Kind::Qwen2Audio {
            writer.set("clip.audio.num_mel_bins", BANDS);
        } else {
            writer
                .set("clip.vision.image_size", SIDE)
                .set("clip.vision.patch_size", PATCH)
                .set("clip.vision.image_mean", Value::F32s(vec![0.5; 3]))
                .set("clip.vision.image_std", Value::F32s(vec![0.5; 3]));
        }
        let mut tensors = Tensors { writer: &mut writer, seed: 0 };
        self.begin(&mut tensors);
        let (width, hidden, out) = (u64::from(WIDTH), u64::from(FEED_FORWARD), u64::from(self.dimension));
        let first = if self.kind == Kind::Qwen2Audio { "a" } else { "v" };
        tensors.norm(&format!("{first}.post_ln"), width);
        for layer in 0..LAYERS {
            let name = |part: &str| format!("{first}.blk.{layer}.{part}");
            for part in ["attn_q", "attn_v", "attn_out"] {
                tensors.linear(&name(part), width, width);
            }
            tensors.random(&name("attn_k.weight"), &[width, width], 0.2);
            if self.kind != Kind::Qwen2Audio {
                tensors.random(&name("attn_k.bias"), &[width], 0.1);
            }
            tensors.norm(&name("ln1"), width);
            tensors.norm(&name("ln2"), width);
            tensors.linear(&name("ffn_up"), width, hidden);
            tensors.linear(&name("ffn_down"), hidden, width);
        }
        match self.kind {
            Kind::Llava => {
                tensors.linear("mm.0", width, out);
                tensors.linear("mm.2", out, out);
            }
            // Four patches become one token.
            Kind::Qwen2Vl => {
                tensors.linear("mm.0", 4 * width, 4 * width);
                tensors.linear("mm.2", 4 * width, out);
            }
            Kind::Qwen2Audio => tensors.linear("mm.a.fc", width, out),
        }
        writer.write(path)
    }

    /// What stands in front of the blocks.
    fn begin(&self, tensors: &mut Tensors<'_>) {
        let (width, patch) = (u64::from(WIDTH), u64::from(PATCH));
        if self.kind == Kind::Qwen2Audio {
            for (part, from) in [("a.conv1d.1", u64::from(BANDS)), ("a.conv1d.2", width)] {
                tensors.random(&format!("{part}.weight"), &[3, from, width], 0.1);
                tensors.random(&format!("{part}.bias"), &[1, width], 0.1);
            }
            tensors.random("a.position_embd.weight", &[width, PLACES], 1.0);
            return;
        }
        tensors.random("v.patch_embd.weight", &[patch, patch, 3, width], 0.05);
        if self.kind == Kind::Qwen2Vl {
            // One for each of two frames of a film.
            tensors.random("v.patch_embd.weight.1", &[patch, patch, 3, width], 0.05);
        } else {
            tensors.random("v.class_embd", &[width], 1.0);
            tensors.random("v.position_embd.weight", &[width, u64::from(Self::TOKENS) + 1], 1.0);
            tensors.norm("v.pre_ln", width);
        }
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

use std::path::Path;

use crate::gguf::{Source, TensorType, Writer};
use crate::{Noise, TestkitError};

/// Builds a `LoRA` adapter with random weights for the queries of a llama.
///
/// As it is: for [`RandomModel`](crate::RandomModel) as that is.
#[derive(Debug, Clone)]
pub struct RandomAdapter {
    architecture: &'static str,
    dimension: u32,
    layers: u32,
}

/// The length between the two matrices.
const RANK: u64 = 4;

impl Default for RandomAdapter {
    fn default() -> Self {
        Self { architecture: "llama", dimension: 64, layers: 2 }
    }
}

impl RandomAdapter {
    /// Starts from the adapter that [`RandomAdapter`] describes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the architecture that the file names.
    #[must_use]
    pub fn architecture(mut self, architecture: &'static str) -> Self {
        self.architecture = architecture;
        self
    }

    /// Sets the length of a query, and of what it is made from.
    #[must_use]
    pub fn dimension(mut self, dimension: u32) -> Self {
        self.dimension = dimension;
        self
    }

    /// Sets how many layers it changes.
    #[must_use]
    pub fn layers(mut self, layers: u32) -> Self {
        self.layers = layers;
        self
    }

    /// Writes the adapter, replacing what was there.
    ///
    /// # Errors
    /// [`TestkitError::Io`] if the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), TestkitError> {
        let mut writer = Writer::new();
        writer
            .set("general.type", "adapter")
            .set("general.architecture", self.architecture)
            .set("adapter.type", "lora")
            .set("adapter.lora.alpha", 8.0_f32);
        let dimension = u64::from(self.dimension);
        for layer in 0..self.layers {
            for (part, shape) in [("lora_a", [dimension, RANK]), ("lora_b", [RANK, dimension])] {
                let mut noise = Noise::new(u64::from(layer) + shape[0]);
                let fill = move |_: usize, row: &mut [f32]| noise.fill_normal(row, 0.5);
                let name = format!("blk.{layer}.attn_q.weight.{part}");
                writer.tensor(name, &shape, TensorType::F32, Source::Rows(Box::new(fill)));
            }
        }
        writer.write(path)
    }
}

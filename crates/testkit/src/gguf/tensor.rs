use std::fmt;
use std::rc::Rc;

use half::f16;

use crate::noise::Noise;

/// How the numbers of a tensor are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TensorType {
    /// 32 bits each.
    F32,
    /// 16 bits each.
    F16,
    /// Blocks of 32 signed bytes with one 16-bit scale.
    Q8_0,
}

impl TensorType {
    pub(super) fn number(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q8_0 => 8,
        }
    }

    /// Returns the `general.file_type` of a model whose matrices are of this type.
    #[must_use]
    pub fn file_type(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q8_0 => 7,
        }
    }

    /// Returns how many numbers are stored together; a row holds a whole number of such blocks.
    #[must_use]
    pub fn block_length(self) -> usize {
        match self {
            Self::F32 | Self::F16 => 1,
            Self::Q8_0 => 32,
        }
    }

    /// Returns the size of a block in bytes.
    #[must_use]
    pub fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
            Self::Q8_0 => 34,
        }
    }

    /// Appends `values` to `bytes`; their number must be a multiple of the block length.
    pub(super) fn encode(self, values: &[f32], bytes: &mut Vec<u8>) {
        match self {
            Self::F32 => values.iter().for_each(|value| bytes.extend(value.to_le_bytes())),
            Self::F16 => values.iter().for_each(|value| bytes.extend(f16::from_f32(*value).to_le_bytes())),
            Self::Q8_0 => values.chunks_exact(32).for_each(|block| encode_q8_0(block, bytes)),
        }
    }
}

/// Stores 32 numbers as `scale · q` with `q` in -127..=127, the largest magnitude at 127.
fn encode_q8_0(block: &[f32], bytes: &mut Vec<u8>) {
    let largest = block.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    let scale = largest / 127.0;
    bytes.extend(f16::from_f32(scale).to_le_bytes());
    bytes.extend(block.iter().map(|value| {
        let level = if scale > 0.0 { (value / scale).round() } else { 0.0 };
        (level as i8).to_le_bytes()[0]
    }));
}

/// Fills the row with the given number.
pub type FillRow = Box<dyn FnMut(usize, &mut [f32])>;

/// Where the numbers of a tensor come from, in rows of the first dimension.
pub enum Source {
    /// All the numbers, row after row.
    Values(Vec<f32>),
    /// Zeros, left as a hole in the file where the file system has holes.
    Zeros,
    /// A function that fills row number `n`; the row is zero when it is called.
    Rows(FillRow),
    /// Stored bytes that repeat, for tensors so large that making every number would take too long.
    Pattern {
        /// What repeats; of the type of the tensor.
        pattern: Rc<Pattern>,
        /// Chooses where in the pattern the tensor begins.
        seed: u64,
    },
}

impl fmt::Debug for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Values(_) => "Values",
            Self::Zeros => "Zeros",
            Self::Rows(_) => "Rows",
            Self::Pattern { .. } => "Pattern",
        })
    }
}

/// Random numbers of one deviation in stored form, repeated through large tensors.
#[derive(Debug)]
pub struct Pattern {
    pub(super) tensor_type: TensorType,
    pub(super) bytes: Vec<u8>,
}

impl Pattern {
    /// Numbers in a pattern: prime to the usual row lengths as a count of blocks, so that rows differ.
    const BLOCKS: usize = 8191;

    /// Makes normal numbers with the given deviation.
    #[must_use]
    pub fn normal(tensor_type: TensorType, deviation: f32, seed: u64) -> Self {
        let mut noise = Noise::new(seed);
        let mut values = vec![0.0; Self::BLOCKS * 32];
        noise.fill_normal(&mut values, deviation);
        let mut bytes = Vec::new();
        tensor_type.encode(&values, &mut bytes);
        Self { tensor_type, bytes }
    }

    /// Returns the byte at which a tensor with this seed starts in the pattern.
    pub(super) fn start(&self, seed: u64) -> usize {
        Noise::new(seed).below(Self::BLOCKS) * (self.bytes.len() / Self::BLOCKS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q8_0_keeps_numbers_within_half_a_step() {
        let values: Vec<f32> = (0..64).map(|index| (index as f32 - 20.0) * 0.37).collect();
        let mut bytes = Vec::new();
        TensorType::Q8_0.encode(&values, &mut bytes);
        assert_eq!(bytes.len(), 68);
        for (block, stored) in values.chunks(32).zip(bytes.chunks(34)) {
            let scale = f16::from_le_bytes([stored[0], stored[1]]).to_f32();
            for (value, level) in block.iter().zip(&stored[2..]) {
                let restored = f32::from(i8::from_le_bytes([*level])) * scale;
                assert!((value - restored).abs() <= scale * 0.57, "{value} became {restored} at scale {scale}");
            }
        }
    }

    #[test]
    fn q8_0_of_zeros_is_zero_bytes() {
        let mut bytes = Vec::new();
        TensorType::Q8_0.encode(&[0.0; 32], &mut bytes);
        assert_eq!(bytes, vec![0; 34]);
    }
}

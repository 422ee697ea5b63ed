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
    /// Blocks of 256 numbers of four bits, in eight groups with a scale and a minimum of six bits each.
    Q4K,
}

impl TensorType {
    pub(super) fn number(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q8_0 => 8,
            Self::Q4K => 12,
        }
    }

    /// Returns the `general.file_type` of a model whose matrices are of this type.
    #[must_use]
    pub fn file_type(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q8_0 => 7,
            Self::Q4K => 15,
        }
    }

    /// Returns how many numbers are stored together; a row holds a whole number of such blocks.
    #[must_use]
    pub fn block_length(self) -> usize {
        match self {
            Self::F32 | Self::F16 => 1,
            Self::Q8_0 => 32,
            Self::Q4K => GROUP * GROUPS,
        }
    }

    /// Returns the size of a block in bytes.
    #[must_use]
    pub fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
            Self::Q8_0 => 34,
            Self::Q4K => 144,
        }
    }

    /// Appends `values` to `bytes`; their number must be a multiple of the block length.
    pub(super) fn encode(self, values: &[f32], bytes: &mut Vec<u8>) {
        match self {
            Self::F32 => values.iter().for_each(|value| bytes.extend(value.to_le_bytes())),
            Self::F16 => values.iter().for_each(|value| bytes.extend(f16::from_f32(*value).to_le_bytes())),
            Self::Q8_0 => values.chunks_exact(32).for_each(|block| encode_q8_0(block, bytes)),
            Self::Q4K => values.chunks_exact(GROUP * GROUPS).for_each(|block| encode_q4_k(block, bytes)),
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

/// Numbers of a group of a `Q4_K` block, and groups of a block.
const GROUP: usize = 32;
const GROUPS: usize = 8;

/// Stores 256 numbers as `d · s · q - e · m` with `q` in 0..=15, and `s` and `m`, one of each for every 32 numbers, in 0..=63.
fn encode_q4_k(block: &[f32], bytes: &mut Vec<u8>) {
    let groups: Vec<(f32, f32)> = block
        .chunks_exact(GROUP)
        .map(|group| {
            let lowest = group.iter().fold(0.0_f32, |lowest, value| lowest.min(*value));
            let highest = group.iter().fold(lowest, |highest, value| highest.max(*value));
            ((highest - lowest) / 15.0, -lowest)
        })
        .collect();
    let largest = |part: fn(&(f32, f32)) -> f32| groups.iter().map(part).fold(0.0_f32, f32::max) / 63.0;
    let (step, offset) = (largest(|group| group.0), largest(|group| group.1));
    let in_six_bits = |value: f32, unit: f32| if unit > 0.0 { level(value / unit, 63.0) } else { 0 };
    let scales: Vec<u8> = groups.iter().map(|group| in_six_bits(group.0, step)).collect();
    let minimums: Vec<u8> = groups.iter().map(|group| in_six_bits(group.1, offset)).collect();

    bytes.extend(f16::from_f32(step).to_le_bytes());
    bytes.extend(f16::from_f32(offset).to_le_bytes());
    // Those of the last four groups lie in pieces: four bits each at the end, two in the upper bits of the others.
    bytes.extend((0..4).map(|group| scales[group] | (scales[group + 4] >> 4) << 6));
    bytes.extend((0..4).map(|group| minimums[group] | (minimums[group + 4] >> 4) << 6));
    bytes.extend((4..8).map(|group| (scales[group] & 15) | (minimums[group] & 15) << 4));

    let stored = |group: usize, index: usize| {
        let (scale, minimum) = (f32::from(scales[group]) * step, f32::from(minimums[group]) * offset);
        let value = block[group * GROUP + index] + minimum;
        if scale > 0.0 { level(value / scale, 15.0) } else { 0 }
    };
    for pair in (0..GROUPS).step_by(2) {
        bytes.extend((0..GROUP).map(|index| stored(pair, index) | stored(pair + 1, index) << 4));
    }
}

/// The nearest whole number in 0..=`highest`.
#[expect(clippy::cast_sign_loss, reason = "it is not negative")]
fn level(value: f32, highest: f32) -> u8 {
    value.round().clamp(0.0, highest) as u8
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
        let mut values = vec![0.0; Self::BLOCKS * tensor_type.block_length().max(32)];
        noise.fill_normal(&mut values, deviation);
        let mut bytes = Vec::new();
        tensor_type.encode(&values, &mut bytes);
        Self { tensor_type, bytes }
    }

    /// Returns how the numbers are stored.
    pub(crate) fn tensor_type(&self) -> TensorType {
        self.tensor_type
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
    fn zeros_are_zero_bytes() {
        for tensor_type in [TensorType::Q8_0, TensorType::Q4K] {
            let mut bytes = Vec::new();
            tensor_type.encode(&vec![0.0; tensor_type.block_length()], &mut bytes);
            assert_eq!(bytes, vec![0; tensor_type.block_bytes()]);
        }
    }

    #[test]
    fn q4_k_keeps_numbers_within_a_step() {
        let mut values = vec![0.0; 512];
        Noise::new(5).fill_normal(&mut values, 0.3);
        let mut bytes = Vec::new();
        TensorType::Q4K.encode(&values, &mut bytes);
        assert_eq!(bytes.len(), 288);
        for (block, stored) in values.chunks(256).zip(bytes.chunks(144)) {
            let half = |at: usize| f16::from_le_bytes([stored[at], stored[at + 1]]).to_f32();
            let (step, offset, packed, levels) = (half(0), half(2), &stored[4..16], &stored[16..]);
            for (index, value) in block.iter().enumerate() {
                let group = index / 32;
                // As ggml's `get_scale_min_k4` unpacks them.
                let (scale, minimum) = if group < 4 {
                    (packed[group] & 63, packed[group + 4] & 63)
                } else {
                    let low = packed[group + 4];
                    ((low & 15) | (packed[group - 4] >> 6) << 4, (low >> 4) | (packed[group] >> 6) << 4)
                };
                let level = levels[group / 2 * 32 + index % 32] >> (group % 2 * 4) & 15;
                let size = step * f32::from(scale);
                let restored = size * f32::from(level) - offset * f32::from(minimum);
                assert!((value - restored).abs() <= size + offset, "{value} became {restored} with steps of {size}");
            }
        }
    }
}

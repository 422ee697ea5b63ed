/// How the numbers of a tensor are stored: one of ggml's types.
///
/// Source: `enum ggml_type` in `ggml.h` and the block structures in `ggml-common.h` of llama-cpp-sys-2 0.1.161.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TensorType(u32);

/// Number, name, numbers in a block, bytes of a block.
const KNOWN: [(u32, &str, u64, u64); 35] = [
    (0, "F32", 1, 4),
    (1, "F16", 1, 2),
    (2, "Q4_0", 32, 18),
    (3, "Q4_1", 32, 20),
    (6, "Q5_0", 32, 22),
    (7, "Q5_1", 32, 24),
    (8, "Q8_0", 32, 34),
    (9, "Q8_1", 32, 36),
    (10, "Q2_K", 256, 84),
    (11, "Q3_K", 256, 110),
    (12, "Q4_K", 256, 144),
    (13, "Q5_K", 256, 176),
    (14, "Q6_K", 256, 210),
    (15, "Q8_K", 256, 292),
    (16, "IQ2_XXS", 256, 66),
    (17, "IQ2_XS", 256, 74),
    (18, "IQ3_XXS", 256, 98),
    (19, "IQ1_S", 256, 50),
    (20, "IQ4_NL", 32, 18),
    (21, "IQ3_S", 256, 110),
    (22, "IQ2_S", 256, 82),
    (23, "IQ4_XS", 256, 136),
    (24, "I8", 1, 1),
    (25, "I16", 1, 2),
    (26, "I32", 1, 4),
    (27, "I64", 1, 8),
    (28, "F64", 1, 8),
    (29, "IQ1_M", 256, 56),
    (30, "BF16", 1, 2),
    (34, "TQ1_0", 256, 54),
    (35, "TQ2_0", 256, 66),
    (39, "MXFP4", 32, 17),
    (40, "NVFP4", 64, 36),
    (41, "Q1_0", 128, 18),
    (42, "Q2_0", 64, 18),
];

impl TensorType {
    /// Returns the type with this number, if there is one.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        KNOWN.iter().any(|(known, ..)| *known == number).then_some(Self(number))
    }

    /// Returns the usual name, such as `Q4_K`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// Says whether llama.cpp can multiply by a matrix of this type.
    #[must_use]
    pub fn is_for_matrices(self) -> bool {
        !matches!(self.0, 9 | 15 | 24..=28)
    }

    pub(super) fn block_length(self) -> u64 {
        self.row().2
    }

    pub(super) fn block_bytes(self) -> u64 {
        self.row().3
    }

    fn row(self) -> &'static (u32, &'static str, u64, u64) {
        KNOWN.iter().find(|(known, ..)| *known == self.0).expect("a type is made from a known number only")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_numbers_and_refuses_others() {
        assert_eq!(TensorType::from_number(12).map(TensorType::name), Some("Q4_K"));
        assert_eq!(TensorType::from_number(4), None);
        assert_eq!(TensorType::from_number(u32::MAX), None);
    }
}

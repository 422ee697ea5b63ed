//! What goes through a model at once.

use llama_cpp_sys_2 as sys;

use super::{Row, SequenceIndex, Token};

/// A batch of tokens with one sequence each; its arrays are llama.cpp's.
pub(super) struct Batch {
    pub(super) raw: sys::llama_batch,
    /// The most tokens.
    pub(super) capacity: usize,
}

impl Batch {
    pub(super) fn new(capacity: u32) -> Self {
        // SAFETY: allocates `capacity` tokens with one sequence each.
        let raw = unsafe { sys::llama_batch_init(i32::try_from(capacity).unwrap_or(i32::MAX), 0, 1) };
        Self { raw, capacity: capacity as usize }
    }

    /// Adds tokens of a sequence, the first of them at `position`; gives the rows behind the last `rows` of them.
    pub(super) fn push(&mut self, tokens: &[Token], position: usize, sequence: SequenceIndex, rows: usize) -> Vec<Row> {
        let from = usize::try_from(self.raw.n_tokens).unwrap_or(0);
        assert!(from + tokens.len() <= self.capacity, "a caller fills a batch by batch_size");
        let silent = tokens.len() - rows;
        for (index, &token) in tokens.iter().enumerate() {
            let at = from + index;
            // SAFETY: `at` < capacity, and each array has that many values; each seq_id list has one.
            unsafe {
                *self.raw.token.add(at) = token;
                *self.raw.pos.add(at) = i32::try_from(position + index).unwrap_or(i32::MAX);
                *self.raw.n_seq_id.add(at) = 1;
                **self.raw.seq_id.add(at) = sequence.raw();
                *self.raw.logits.add(at) = i8::from(index >= silent);
            }
        }
        self.raw.n_tokens = i32::try_from(from + tokens.len()).unwrap_or(0);
        (self.raw.n_tokens - i32::try_from(rows).unwrap_or(0)..self.raw.n_tokens).map(Row).collect()
    }

    /// The tokens of a sequence in it.
    pub(super) fn tokens_of(&self, sequence: SequenceIndex) -> usize {
        let length = usize::try_from(self.raw.n_tokens).unwrap_or(0);
        // SAFETY: the first `n_tokens` entries are set, each with one sequence.
        (0..length).filter(|&at| unsafe { **self.raw.seq_id.add(at) } == sequence.raw()).count()
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        // SAFETY: made by llama_batch_init, freed once.
        unsafe { sys::llama_batch_free(self.raw) }
    }
}

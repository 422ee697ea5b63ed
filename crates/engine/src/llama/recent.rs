//! How far back a recurrent model can go without a snapshot.

use super::DecodeOutcome;

/// What a recurrent model can take back of a sequence.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Recent {
    /// Tokens of the last batch whose states are kept, but for the first.
    pub(super) tokens: usize,
    /// Some were taken back, and nothing was computed since: llama.cpp still has the newest state in the first place.
    pub(super) is_pending: bool,
    /// A batch broke off: llama.cpp takes the state for what it was before, but parts of it are newer.
    pub(super) is_lost: bool,
}

impl Recent {
    /// Takes in what a batch came to that had `computed` tokens of the sequence; at most `most` can be taken back.
    pub(super) fn note(&mut self, outcome: DecodeOutcome, computed: usize, most: usize) {
        match outcome {
            // Others are moved about, and what is kept of them is not where it was.
            DecodeOutcome::Done if computed == 0 => self.tokens = 0,
            DecodeOutcome::Done => {
                self.tokens = (computed - 1).min(most);
                self.is_pending = false;
            }
            // It was not begun.
            DecodeOutcome::CacheFull => {}
            DecodeOutcome::Aborted | DecodeOutcome::Failed(_) => {
                self.tokens = 0;
                self.is_lost |= computed > 0 || self.is_pending;
            }
        }
    }
}

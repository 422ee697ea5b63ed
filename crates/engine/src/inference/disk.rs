//! Sequences that go to disk and come back.

use std::time::{Duration, Instant};

use super::Inference;
use crate::load::fits_memory;
use crate::media::is_shown;

/// The tokens that a saved sequence must spare.
const WORTH_READING: usize = 32;
/// How long sequences are saved after the app closed the pipe; it waits longer.
const LAST_SAVES: Duration = Duration::from_secs(3);

impl Inference<'_, '_> {
    /// Brings a saved sequence into `target` if it has more of a task's prompt than the `keep` tokens that are in memory. Whether
    /// that changed anything there: what does not fit may have made others leave.
    pub(super) fn restore(&mut self, target: usize, index: usize, keep: usize) -> bool {
        let Some(saved) = &mut self.saved else { return false };
        let (head, state) = loop {
            let found = saved.find(self.model.vocabulary(), &self.tasks[index].tokens);
            let Some(found) = found.filter(|found| found.keep >= keep + WORTH_READING) else { return false };
            let bytes = usize::try_from(saved.bytes(&found)).unwrap_or(usize::MAX);
            if !saved.is_in_memory(&found) && !fits_memory(bytes) {
                return false;
            }
            // What can't be read is not found again.
            if let Some(read) = saved.read(&found) {
                break read;
            }
        };
        self.save(target);
        loop {
            let sequence = &mut self.sequences[target];
            sequence.cut(&mut self.context, 0);
            sequence.restore(head.clone(), &state, &mut self.context);
            sequence.last_used = self.round;
            if !sequence.is_empty() {
                return true;
            }
            if !self.evict_idle() {
                return true;
            }
        }
    }

    /// Saves a sequence that is about to go, if it is somebody's and not saved already.
    pub(super) fn save(&mut self, sequence: usize) {
        let Some(saved) = &mut self.saved else { return };
        let sequence = &self.sequences[sequence];
        let Some(owner) = &sequence.owner else { return };
        // A state that ends with what is shown can't be told from a damaged one: its last position may not be that of its length.
        if sequence.tokens().last().is_some_and(|&token| is_shown(token)) {
            return;
        }
        if !saved.wants(sequence.tokens()) {
            return;
        }
        // Two states at once may not fit the memory, and what was being written may have failed.
        saved.finish();
        if saved.wants(sequence.tokens()) && fits_memory(self.context.state_size(sequence.index)) {
            let state = self.context.save(sequence.index);
            saved.write(owner, sequence.head(), state);
        }
    }

    /// Saves all sequences, those used last first, for as long as the app waits.
    pub(super) fn save_all(&mut self) {
        let began = Instant::now();
        let mut order: Vec<usize> = (0..self.sequences.len()).collect();
        order.sort_by_key(|&sequence| std::cmp::Reverse(self.sequences[sequence].last_used));
        for sequence in order {
            if let Some(saved) = &mut self.saved {
                saved.finish();
            }
            if began.elapsed() < LAST_SAVES {
                self.save(sequence);
            }
        }
    }

    pub(super) fn forget(&mut self, owner: &str) {
        for sequence in 0..self.sequences.len() {
            if self.sequences[sequence].owner.as_deref() == Some(owner) {
                self.sequences[sequence].owner = None;
                if self.is_idle(sequence) {
                    self.sequences[sequence].cut(&mut self.context, 0);
                }
            }
        }
        if let Some(saved) = &mut self.saved {
            saved.forget(owner);
        }
    }
}

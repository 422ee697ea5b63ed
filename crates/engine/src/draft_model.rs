//! A small model that drafts what a large one writes.
//!
//! It reads what the large one has read and guesses its next tokens. What comes of a guess is decided elsewhere
//! ([`crate::speculation`]): a reply is the same with and without.

use std::time::{Duration, Instant};

use crate::llama::{Context, DecodeOutcome, Model, Row, SEQUENCES, SequenceIndex, Token};
use crate::speculation::{DraftCost, LONGEST};

/// How sure the model must be of each token behind the first, 0..=1: a doubtful one costs more than it brings.
const CONFIDENCE: f32 = 0.4;

/// A model with the vocabulary of another one, and what it has read.
pub(crate) struct DraftModel<'model> {
    model: &'model Model,
    context: Context<'model>,
    /// The tokens in each of its sequences, which have the numbers of those that they draft for.
    sequences: Vec<Vec<Token>>,
    vocabulary_length: Token,
    /// What its drafts cost, measured.
    pub(crate) cost: DraftCost,
    /// What drafting took since it was asked last.
    spent: Duration,
}

impl<'model> DraftModel<'model> {
    /// Drafts with a model in a context of its own for another one with the same vocabulary.
    pub(crate) fn new(model: &'model Model, target: &Model, mut context: Context<'model>) -> Self {
        context.warm_up(model.vocabulary().warm_up_token());
        Self {
            model,
            context,
            sequences: vec![Vec::new(); usize::from(SEQUENCES)],
            vocabulary_length: target.vocabulary().len(),
            cost: DraftCost::default(),
            spent: Duration::ZERO,
        }
    }

    /// What the tokens of a sequence may go on with, at most `most` of them. `None` while it has yet to read what is new to
    /// it: of a long text one batch at a time.
    pub(crate) fn draft(&mut self, index: SequenceIndex, tokens: &[Token], most: usize) -> Option<Vec<Token>> {
        if tokens.len() + most > self.context.size() as usize {
            return None;
        }
        let began = Instant::now();
        let missing = tokens.len() - self.keep_common(index, tokens);
        let mut row = self.read(index, tokens)?;
        // What is read once is no part of what a draft costs.
        let began = if missing > LONGEST + 1 { Instant::now() } else { began };
        let mut draft = Vec::with_capacity(most);
        loop {
            let (token, probability) = most_probable(self.context.logits(row));
            let is_known = token < self.vocabulary_length && !self.model.vocabulary().is_end(token);
            if !is_known || (probability < CONFIDENCE && !draft.is_empty()) {
                break;
            }
            draft.push(token);
            if draft.len() >= most {
                break;
            }
            match self.compute(index, &[token]) {
                Some(next) => row = next,
                None => break,
            }
        }
        self.spent += began.elapsed();
        Some(draft)
    }

    /// What drafting took since the last call, without the reading of what was new.
    pub(crate) fn take_spent(&mut self) -> Duration {
        std::mem::take(&mut self.spent)
    }

    /// Forgets what a sequence has beyond the tokens; at least the last of them is read again. Gives how many stay.
    fn keep_common(&mut self, index: SequenceIndex, tokens: &[Token]) -> usize {
        let known = &mut self.sequences[usize::from(index.0)];
        let common = known.iter().zip(tokens).take_while(|(known, token)| known == token).count();
        let keep = common.min(tokens.len().saturating_sub(1));
        if keep < known.len() && !self.context.truncate(index, keep) {
            self.context.clear(index);
            known.clear();
        }
        known.truncate(keep);
        known.len()
    }

    /// Reads a batch of the tokens that are missing; the row behind the last, if that was all.
    fn read(&mut self, index: SequenceIndex, tokens: &[Token]) -> Option<Row> {
        let from = self.sequences[usize::from(index.0)].len();
        let to = tokens.len().min(from + self.context.batch_size());
        let row = self.compute(index, &tokens[from..to])?;
        (to == tokens.len()).then_some(row)
    }

    /// Computes tokens behind those of a sequence; gives the row behind the last.
    fn compute(&mut self, index: SequenceIndex, tokens: &[Token]) -> Option<Row> {
        let place = usize::from(index.0);
        self.context.clear_batch();
        let rows = self.context.push(tokens, self.sequences[place].len(), index, 1);
        match self.context.decode() {
            DecodeOutcome::Done => {
                self.sequences[place].extend_from_slice(tokens);
                return rows.first().copied();
            }
            // Those of others are read again when they are drafted for.
            DecodeOutcome::CacheFull => self.clear_all(),
            DecodeOutcome::Aborted | DecodeOutcome::Failed(_) => {
                // llama.cpp may hold a part of what it was given.
                self.context.clear(index);
                self.sequences[place].clear();
            }
        }
        None
    }

    fn clear_all(&mut self) {
        for (index, known) in (0..).zip(&mut self.sequences) {
            self.context.clear(SequenceIndex(index));
            known.clear();
        }
    }
}

/// The token with the highest score, and its probability, 0..=1.
pub(crate) fn most_probable(logits: &[f32]) -> (Token, f32) {
    let best = (0..).zip(logits).max_by(|(_, one), (_, other)| one.total_cmp(other));
    let Some((token, &highest)) = best else { return (Token::MAX, 0.0) };
    let sum: f32 = logits.iter().map(|logit| (logit - highest).exp()).sum();
    (token, 1.0 / sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_probable_token_has_its_share() {
        let (token, probability) = most_probable(&[0.0, 3.0_f32.ln(), 0.0]);
        assert_eq!(token, 1);
        assert!((probability - 0.6).abs() < 1e-6, "{probability}");
        assert_eq!(most_probable(&[]), (Token::MAX, 0.0));
    }
}

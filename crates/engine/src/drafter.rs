//! Whoever guesses what a reply goes on with where nothing is repeated.

use std::time::Duration;

use crate::draft_heads::{DraftHeads, News};
use crate::draft_model::DraftModel;
use crate::llama::{Context, SequenceIndex, Token};
use crate::speculation::DraftCost;

/// A smaller model, or the model's own heads.
pub(crate) enum Drafter<'model> {
    Model(Box<DraftModel<'model>>),
    Heads(Box<DraftHeads<'model>>),
}

impl Drafter<'_> {
    /// Takes in what the model has just computed; `context` still has what it made of it.
    pub(crate) fn follow(&mut self, context: &Context<'_>, news: &News<'_>) {
        match self {
            // It reads by itself when it is asked.
            Self::Model(_) => {}
            Self::Heads(heads) => heads.follow(context, news),
        }
    }

    /// What the tokens of a sequence may go on with, at most `most` of them. `None` while it has yet to read what is new to it.
    pub(crate) fn draft(&mut self, sequence: SequenceIndex, tokens: &[Token], most: usize) -> Option<Vec<Token>> {
        match self {
            Self::Model(model) => model.draft(sequence, tokens, most),
            Self::Heads(heads) => heads.draft(sequence, tokens, most),
        }
    }

    /// What drafts cost, measured.
    pub(crate) fn cost(&mut self) -> &mut DraftCost {
        match self {
            Self::Model(model) => &mut model.cost,
            Self::Heads(heads) => &mut heads.cost,
        }
    }

    /// What drafting took since the last call.
    pub(crate) fn take_spent(&mut self) -> Duration {
        match self {
            Self::Model(model) => model.take_spent(),
            Self::Heads(heads) => heads.take_spent(),
        }
    }
}

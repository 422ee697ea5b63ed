//! A model's own heads that draft what it writes next.
//!
//! A head takes the state that the model had behind a token, and the token that was written there; it guesses the one behind
//! that, and makes a state to go on with. So it has to follow what the model reads and writes. What it is to follow is put
//! aside until a draft is wanted: many tokens together cost little more than one.

use std::time::{Duration, Instant};

use crate::draft_model::most_probable;
use crate::llama::{Context, DecodeOutcome, Guess, Heads, Model, Row, SEQUENCES, SequenceIndex, Token};
use crate::speculation::DraftCost;

/// How sure a head must be of each token behind the first, 0..=1.
const CONFIDENCE: f32 = 0.4;
/// The states that are put aside before the heads take them, in bytes.
const PUT_ASIDE: usize = 4 << 20;

/// The heads of a model, and what they have followed.
pub(crate) struct DraftHeads<'model> {
    model: &'model Model,
    heads: Heads<'model>,
    /// By the numbers of the model's own sequences.
    sequences: Vec<Followed>,
    /// What the heads have yet to read, and the states to it, one behind the other.
    guesses: Vec<Guess>,
    states: Vec<f32>,
    /// What drafts cost, measured.
    pub(crate) cost: DraftCost,
    /// What drafting took since it was asked last.
    spent: Duration,
}

/// What the heads know of a sequence.
#[derive(Clone, Default)]
struct Followed {
    tokens: Vec<Token>,
    /// The first of them that the heads have read, or have before them: llama.cpp wants the rest without a gap.
    begin: usize,
    /// The model's state behind the last; empty when it is not known.
    state: Vec<f32>,
}

/// Tokens that the model has computed.
pub(crate) struct News<'tokens> {
    pub(crate) sequence: SequenceIndex,
    /// All of the sequence.
    pub(crate) tokens: &'tokens [Token],
    /// Where the new ones begin.
    pub(crate) from: usize,
    /// The place of the first new one in the model's last batch.
    pub(crate) place: usize,
}

impl<'model> DraftHeads<'model> {
    pub(crate) fn new(model: &'model Model, heads: Heads<'model>) -> Self {
        Self {
            model,
            heads,
            sequences: vec![Followed::default(); usize::from(SEQUENCES)],
            guesses: Vec::new(),
            states: Vec::new(),
            cost: DraftCost::default(),
            spent: Duration::ZERO,
        }
    }

    /// Takes in what the model has just computed; `context` still has the states of that batch.
    pub(crate) fn follow(&mut self, context: &Context<'_>, news: &News<'_>) {
        let News { sequence, tokens, from, place } = *news;
        self.go_back_to(sequence, &tokens[..from]);
        let width = self.heads.width();
        for (offset, &token) in tokens[from..].iter().enumerate() {
            let behind_last = &self.sequences[usize::from(sequence.0)].state;
            let state = if offset == 0 { behind_last } else { self.heads.state_in(context, place + offset - 1) };
            self.states.extend_from_slice(state);
            // Where it is not known any more, one token is misread.
            self.states.resize((self.guesses.len() + 1) * width, 0.0);
            self.guesses.push(Guess { token, position: from + offset, sequence, wanted: false });
        }
        let followed = &mut self.sequences[usize::from(sequence.0)];
        followed.tokens.extend_from_slice(&tokens[from..]);
        followed.state = self.heads.state_in(context, place + tokens.len() - from - 1).to_vec();
        if size_of_val(self.states.as_slice()) > PUT_ASIDE || self.guesses.len() >= self.heads.batch_size() {
            self.catch_up();
        }
    }

    /// What the tokens of a sequence may go on with, at most `most` of them: the last of them is written, but not computed.
    /// `None` where the heads have not followed.
    pub(crate) fn draft(&mut self, sequence: SequenceIndex, tokens: &[Token], most: usize) -> Option<Vec<Token>> {
        let (&last, before) = tokens.split_last()?;
        let followed = &self.sequences[usize::from(sequence.0)];
        if followed.state.is_empty() || followed.tokens != before {
            return None;
        }
        let began = Instant::now();
        let mut guesses = vec![Guess { token: last, position: before.len(), sequence, wanted: true }];
        let mut states = followed.state.clone();
        let has_one = self.heads.count() == 1;
        let most = if has_one { most } else { most.min(self.heads.count()) };
        let mut draft = Vec::with_capacity(most);
        // By itself: of a batch in which not all is wanted, llama.cpp gives some heads' states at the wrong places.
        self.catch_up();
        while let Some(row) = self.guess(draft.len(), &guesses, &states) {
            let (token, probability) = most_probable(self.heads.logits(row));
            if self.model.vocabulary().is_end(token) || (probability < CONFIDENCE && !draft.is_empty()) {
                break;
            }
            draft.push(token);
            if draft.len() >= most {
                break;
            }
            let next = Guess { token, position: before.len() + draft.len(), sequence, wanted: true };
            if has_one {
                guesses.clear();
                states.clear();
            } else if let Some(last) = guesses.last_mut() {
                last.wanted = false;
            }
            guesses.push(next);
            states.extend_from_slice(self.heads.state(row));
        }
        // The model's own states take the place of those that were guessed.
        self.heads.forget_from(sequence, before.len());
        self.spent += began.elapsed();
        Some(draft)
    }

    /// What drafting took since the last call.
    pub(crate) fn take_spent(&mut self) -> Duration {
        std::mem::take(&mut self.spent)
    }

    /// Computes the `step`th token of a draft. A head that is alone goes on with its own state; of several, each reads all of the
    /// draft anew.
    fn guess(&mut self, step: usize, guesses: &[Guess], states: &[f32]) -> Option<Row> {
        if self.heads.count() > 1 {
            let first = guesses.first()?;
            self.heads.forget_from(first.sequence, first.position);
        }
        let head = if self.heads.count() > 1 { step } else { 0 };
        self.compute(head, guesses, states)
    }

    /// Reads what was put aside, with each head.
    fn catch_up(&mut self) {
        let (guesses, states) = (std::mem::take(&mut self.guesses), std::mem::take(&mut self.states));
        if guesses.is_empty() {
            return;
        }
        for head in 0..self.heads.count() {
            for index in (0..SEQUENCES).map(SequenceIndex).filter(|_| head > 0) {
                let first = guesses.iter().find(|guess| guess.sequence == index);
                first.inspect(|first| self.heads.forget_from(index, first.position));
            }
            self.compute(head, &guesses, &states);
        }
    }

    /// Computes guesses with a head; the row of the last.
    fn compute(&mut self, head: usize, guesses: &[Guess], states: &[f32]) -> Option<Row> {
        let width = self.heads.width();
        let most = self.heads.batch_size();
        for (guesses, states) in guesses.chunks(most).zip(states.chunks(most * width)) {
            if self.heads.compute(head, guesses, states) != DecodeOutcome::Done {
                // Nothing of it is needed for a right reply.
                self.forget_all();
                return None;
            }
        }
        Some(Heads::row((guesses.len() - 1) % most))
    }

    /// Makes a sequence what comes before new tokens: those must be at its end.
    fn go_back_to(&mut self, sequence: SequenceIndex, before: &[Token]) {
        let place = usize::from(sequence.0);
        let common = common_length(&self.sequences[place].tokens, before);
        if common == before.len() && common == self.sequences[place].tokens.len() {
            return;
        }
        // Another one may have read what this one begins with now.
        let others = (0..).zip(&self.sequences).filter(|&(other, _)| other != sequence.0);
        let best = others.map(|(other, followed)| (common_length(&followed.tokens, before), other)).max();
        let common = match best {
            Some((length, other)) if length > common => {
                self.catch_up();
                self.heads.share(SequenceIndex(other), sequence, length);
                self.sequences[place].begin = self.sequences[usize::from(other)].begin;
                length
            }
            _ => common,
        };
        self.put_back(sequence, common);
        self.heads.forget_from(sequence, common);
        let followed = &mut self.sequences[place];
        if common < before.len() || common <= followed.begin {
            // It was read before the heads were there, or came from the disk.
            self.heads.forget_from(sequence, 0);
            followed.begin = before.len();
        }
        followed.tokens = before.to_vec();
        followed.state.clear();
    }

    /// Drops what was put aside of a sequence from a position on.
    fn put_back(&mut self, sequence: SequenceIndex, position: usize) {
        let width = self.heads.width();
        let keeps: Vec<bool> =
            self.guesses.iter().map(|guess| guess.sequence != sequence || guess.position < position).collect();
        let mut kept = keeps.iter();
        self.guesses.retain(|_| kept.next().copied().unwrap_or(true));
        let states = self.states.chunks_exact(width).zip(&keeps).filter(|(_, keep)| **keep);
        self.states = states.flat_map(|(state, _)| state.iter().copied()).collect();
    }

    fn forget_all(&mut self) {
        self.guesses.clear();
        self.states.clear();
        for (index, followed) in (0..).zip(&mut self.sequences) {
            self.heads.forget_from(SequenceIndex(index), 0);
            *followed = Followed::default();
        }
    }
}

fn common_length(one: &[Token], other: &[Token]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

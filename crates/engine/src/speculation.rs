//! Drafting what a reply goes on with, so that one batch writes several tokens.
//!
//! Prompt lookup: where the last tokens occurred before, what followed there is likely to follow again, as it does while a
//! text is edited, quoted or summed up. Each drafted token is compared with the one that the sampler chooses at its place,
//! so a reply is the one that would be written without drafts. Where nothing is repeated, a smaller model may draft
//! ([`crate::draft_model`]). How long a draft is depends on what was measured: how often
//! drafts were right of late, and what a drafted token costs in a batch.

use std::collections::HashMap;
use std::time::Duration;

use crate::llama::Token;

/// Tokens that must occur again before anything is drafted.
const KEY: usize = 3;
/// The longest draft in tokens.
pub(crate) const LONGEST: usize = 16;
/// The repetitions that are told apart are at least so many tokens long: the longer, the likelier they go on.
const REPETITIONS: [usize; 3] = [KEY, 6, 12];
/// Drafts come from one of the [`REPETITIONS`], or from a model.
const MODEL: usize = REPETITIONS.len();
const SOURCES: usize = REPETITIONS.len() + 1;
/// How often a drafted token is right, before it is known.
const ACCEPTANCE: f64 = 0.7;
/// What a drafted token costs as a share of a batch without drafts, before it is known.
const COST: f64 = 0.35;
/// How much each new measurement counts.
const NEW: f64 = 0.1;
/// So many drafts are left out before a short one tries again whether they win by now.
const LEFT_OUT: u32 = 24;
const TRIAL: usize = 2;

/// Drafts of one reply.
#[derive(Default)]
pub(crate) struct Drafts {
    /// Behind each run of [`KEY`] tokens, where it occurred last.
    places: HashMap<[Token; KEY], usize>,
    /// How many tokens were looked at.
    seen: usize,
    /// Of each source, how often a drafted token was right when the one before was.
    acceptance: Acceptance,
    /// The source of the last draft.
    source: usize,
    /// Drafts that were left out in a row, of repetitions and of a model.
    left_out: [u32; 2],
}

struct Acceptance([f64; SOURCES]);

impl Default for Acceptance {
    fn default() -> Self {
        Self([ACCEPTANCE; SOURCES])
    }
}

impl Drafts {
    /// What `tokens` may go on with, at most `most` tokens; empty when there is nothing to draft or nothing to win.
    ///
    /// `tokens` are the same as in the last call, with more behind them.
    pub(crate) fn draft(&mut self, tokens: &[Token], most: usize, cost: &DraftCost) -> Vec<Token> {
        for end in self.seen.max(KEY)..tokens.len() {
            if let Some(key) = key_before(tokens, end) {
                self.places.insert(key, end);
            }
        }
        self.seen = tokens.len();
        let place = key_before(tokens, tokens.len()).and_then(|key| self.places.get(&key).copied());
        let Some(place) = place.filter(|&place| place < tokens.len()) else { return Vec::new() };
        let longest = REPETITIONS[REPETITIONS.len() - 1];
        let repeated = (0..longest)
            .take_while(|&back| place > back && tokens[place - 1 - back] == tokens[tokens.len() - 1 - back]);
        let repeated = repeated.count();
        let repetition = REPETITIONS.iter().rposition(|&length| repeated >= length).unwrap_or(0);
        let length = self.length(repetition, cost).min(most);
        let mut draft = Vec::with_capacity(length);
        for index in place..place + length {
            // A repetition that reaches the end goes around.
            let token = tokens.get(index).or_else(|| draft.get(index - tokens.len()));
            draft.extend(token.copied());
        }
        draft
    }

    /// How many tokens a model should draft; 0 when there is nothing to win.
    pub(crate) fn model_length(&mut self, cost: &DraftCost) -> usize {
        // What a batch without drafts takes must be known first: a model always has something to draft.
        if cost.plain.is_some() { self.length(MODEL, cost) } else { 0 }
    }

    /// The best length of a draft from a source, which becomes that of the last draft. Where none wins, one is tried now
    /// and then.
    fn length(&mut self, source: usize, cost: &DraftCost) -> usize {
        let mut length = best_length(self.acceptance.0[source], cost.ratio());
        if length == 0 {
            let left_out = &mut self.left_out[usize::from(source == MODEL)];
            *left_out += 1;
            if *left_out < LEFT_OUT {
                return 0;
            }
            *left_out = 0;
            length = TRIAL;
        }
        self.source = source;
        length
    }

    /// Takes into account that the first `accepted` of `drafted` tokens were right.
    pub(crate) fn note(&mut self, drafted: usize, accepted: usize) {
        let acceptance = &mut self.acceptance.0[self.source];
        for index in 0..drafted.min(accepted + 1) {
            let right = if index < accepted { 1.0 } else { 0.0 };
            *acceptance += NEW * (right - *acceptance);
        }
    }
}

fn key_before(tokens: &[Token], end: usize) -> Option<[Token; KEY]> {
    tokens.get(end.checked_sub(KEY)?..end)?.try_into().ok()
}

/// The length of a draft that writes most tokens in a given time: with `k` drafted tokens of which each is right with
/// probability `p` when the one before is, a batch writes `1 + p + … + p^k` tokens and takes `1 + k × ratio` times as long.
fn best_length(p: f64, ratio: f64) -> usize {
    let (mut best, mut best_speed) = (0, 1.0);
    let (mut written, mut chance, mut took) = (1.0, 1.0, 1.0);
    for length in 1..=LONGEST {
        chance *= p;
        written += chance;
        took += ratio;
        if written / took > best_speed {
            (best, best_speed) = (length, written / took);
        }
    }
    best
}

/// What drafted tokens cost, measured while replies are written.
#[derive(Default)]
pub(crate) struct DraftCost {
    /// The replies that are written at once: of so many are the figures.
    replies: usize,
    /// Seconds of a batch without drafts.
    plain: Option<f64>,
    /// Seconds that each drafted token takes more.
    drafted: Option<f64>,
}

impl DraftCost {
    /// Takes a batch into account that had one token of each of `replies`, and `drafted` more in all.
    pub(crate) fn note(&mut self, replies: usize, drafted: usize, took: Duration) {
        if self.replies != replies {
            *self = Self { replies, ..Self::default() };
        }
        let took = took.as_secs_f64();
        let (figure, value) = match (drafted, self.plain) {
            (0, _) => (&mut self.plain, took),
            (_, None) => return,
            (_, Some(plain)) => (&mut self.drafted, (took - plain).max(0.0) / drafted as f64),
        };
        *figure = Some(figure.map_or(value, |before| before + NEW * (value - before)));
    }

    /// What a drafted token costs, as a share of a batch without drafts.
    fn ratio(&self) -> f64 {
        match (self.plain, self.drafted) {
            (Some(plain), Some(drafted)) if plain > 0.0 => (drafted / plain).clamp(0.01, 2.0),
            _ => COST,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_followed_before_is_drafted() {
        let mut drafts = Drafts::default();
        let cost = DraftCost::default();
        assert!(drafts.draft(&[1, 2, 3, 4, 5, 6], 4, &cost).is_empty());
        assert_eq!(drafts.draft(&[1, 2, 3, 4, 5, 6, 9, 1, 2, 3], 3, &cost), [4, 5]);
        // The place that is nearest to the end counts.
        assert_eq!(drafts.draft(&[1, 2, 3, 4, 5, 6, 9, 1, 2, 3, 7, 1, 2, 3], 1, &cost), [7]);
    }

    #[test]
    fn a_repetition_at_the_end_goes_around() {
        let mut drafts = Drafts { acceptance: Acceptance([0.99; SOURCES]), ..Drafts::default() };
        let tokens = [7, 8, 7, 8, 7, 8];
        assert_eq!(drafts.draft(&tokens, 5, &DraftCost::default()), [7, 8, 7, 8, 7]);
    }

    #[test]
    fn wrong_drafts_end_and_are_tried_again() {
        let mut drafts = Drafts::default();
        let cost = DraftCost::default();
        let mut tokens = vec![1, 2, 3, 4];
        let mut lengths = Vec::new();
        for other in 10..100 {
            tokens.extend([other, 1, 2, 3]);
            let draft = drafts.draft(&tokens, LONGEST, &cost);
            if !draft.is_empty() {
                drafts.note(draft.len(), 0);
            }
            lengths.push(draft.len());
        }
        assert!(lengths[0] > 0);
        let tries = lengths[30..].iter().filter(|&&length| length > 0).count();
        assert!((1..=3).contains(&tries), "{lengths:?}");
    }

    #[test]
    fn drafts_are_as_long_as_they_win() {
        // Free tokens are drafted even if they are seldom right, dear ones only if they are nearly always.
        assert_eq!(best_length(0.5, 0.0), LONGEST);
        assert_eq!(best_length(0.3, 0.5), 0);
        assert_eq!(best_length(1.0, 0.5), LONGEST);
        let length = best_length(0.8, 0.2);
        assert!((2..=8).contains(&length), "{length}");
    }

    #[test]
    fn the_cost_is_that_beyond_a_batch_without_drafts() {
        let mut cost = DraftCost::default();
        cost.note(1, 0, Duration::from_millis(20));
        cost.note(1, 4, Duration::from_millis(28));
        assert!((cost.ratio() - 0.1).abs() < 1e-9);
        // With another reply beside it, nothing is known yet.
        cost.note(2, 4, Duration::from_millis(28));
        assert!((cost.ratio() - COST).abs() < 1e-9);
    }
}

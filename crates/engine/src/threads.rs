//! How many threads write: measured, not counted.
//!
//! Writing a token reads all weights once, so memory is the limit long before all cores are busy, and slow cores beside fast
//! ones hold the others up. How many threads are best is known to the machine alone: the first tokens that are written try
//! some numbers in turns, and so do others when tokens come to take a different time: other programs may have come or gone. Prompts are
//! read with all threads, where more is always faster.

use std::time::Duration;

/// Tokens of each turn; the first, for which threads begin or end, does not count.
const TURN: usize = 4;
/// Turns of each candidate.
const TURNS: usize = 3;
/// Fewer threads are better if they take no more than this much longer: they leave cores to others.
const NO_SLOWER: f64 = 1.02;

/// After so many tokens it is looked whether they still take as long as when the number was chosen, but for this factor.
const CHECKED: usize = 64;
const AS_LONG: f64 = 1.33;

/// The trial of numbers of threads, and what came of it.
pub(crate) struct ThreadTrial {
    /// Ascending, with the seconds of each token.
    candidates: Vec<(u32, Vec<f64>)>,
    /// Tokens of the trial so far.
    tokens: usize,
    chosen: Option<u32>,
    /// What a token took with the chosen number, in seconds.
    expected: f64,
    /// What the last tokens took since then.
    recent: Vec<f64>,
}

impl ThreadTrial {
    /// A trial of some numbers up to `most`; of none if the person chose it.
    pub(crate) fn new(most: u32, is_given: bool) -> Self {
        let mut numbers = if is_given { vec![most] } else { vec![most.div_ceil(2), most * 3 / 4, most] };
        numbers.retain(|&number| number > 0);
        numbers.dedup();
        let chosen = if numbers.len() == 1 { Some(most) } else { None };
        Self {
            candidates: numbers.into_iter().map(|number| (number, Vec::new())).collect(),
            tokens: 0,
            chosen,
            expected: 0.0,
            recent: Vec::new(),
        }
    }

    /// How many threads compute the next batch that only writes.
    pub(crate) fn threads(&self) -> u32 {
        self.chosen.unwrap_or_else(|| self.candidates[self.turn()].0)
    }

    /// Takes into account how long such a batch took.
    pub(crate) fn note(&mut self, took: Duration) {
        if self.chosen.is_some() {
            return self.check(took);
        }
        let turn = self.turn();
        if !self.tokens.is_multiple_of(TURN) {
            self.candidates[turn].1.push(took.as_secs_f64());
        }
        self.tokens += 1;
        if self.tokens == TURN * TURNS * self.candidates.len() {
            let (number, seconds) = self.best();
            (self.chosen, self.expected) = (Some(number), seconds);
        }
    }

    /// Begins anew when tokens take a different time by now.
    fn check(&mut self, took: Duration) {
        if self.candidates.len() == 1 {
            return;
        }
        self.recent.push(took.as_secs_f64());
        if self.recent.len() < CHECKED {
            return;
        }
        let now = median(std::mem::take(&mut self.recent));
        if now > self.expected * AS_LONG || now * AS_LONG < self.expected {
            self.candidates.iter_mut().for_each(|(_, seconds)| seconds.clear());
            (self.tokens, self.chosen) = (0, None);
        }
    }

    fn turn(&self) -> usize {
        self.tokens / TURN % self.candidates.len()
    }

    /// The best number, and the seconds of a token with it.
    fn best(&self) -> (u32, f64) {
        let medians = self.candidates.iter().map(|(number, seconds)| (*number, median(seconds.clone())));
        let medians: Vec<(u32, f64)> = medians.collect();
        let fastest = medians.iter().map(|&(_, seconds)| seconds).fold(f64::INFINITY, f64::min);
        let good = medians.iter().find(|&&(_, seconds)| seconds <= fastest * NO_SLOWER);
        good.copied().unwrap_or(medians[0])
    }
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(most: u32, milliseconds: impl Fn(u32) -> u64) -> u32 {
        let mut trial = ThreadTrial::new(most, false);
        for _ in 0..100 {
            trial.note(Duration::from_millis(milliseconds(trial.threads())));
        }
        trial.chosen.expect("a hundred tokens are enough")
    }

    #[test]
    fn the_fastest_number_is_chosen_and_of_equals_the_smallest() {
        assert_eq!(chosen(8, |threads| 100 - u64::from(threads)), 8);
        assert_eq!(chosen(8, |threads| 50 + u64::from(threads)), 4);
        assert_eq!(chosen(8, |threads| if threads == 6 { 50 } else { 60 }), 6);
        assert_eq!(chosen(8, |_| 50), 4);
    }

    #[test]
    fn a_single_slow_token_does_not_decide() {
        let mut trial = ThreadTrial::new(4, false);
        let mut tokens = 0;
        while trial.chosen.is_none() {
            let slow = tokens == 9;
            trial.note(Duration::from_millis(if slow { 900 } else { 40 - 5 * u64::from(trial.threads()) }));
            tokens += 1;
        }
        assert_eq!(trial.chosen, Some(4));
    }

    #[test]
    fn other_work_that_comes_or_goes_is_noticed() {
        // With all threads beside other work, all wait for the one that has to share.
        let took = |threads: u32, is_busy: bool| match (is_busy, threads) {
            (true, 8) => 300,
            (true, threads) => 100 - 2 * u64::from(threads),
            (false, threads) => 80 - 4 * u64::from(threads),
        };
        let mut trial = ThreadTrial::new(8, false);
        for (is_busy, expected) in [(false, 8), (true, 6), (false, 8)] {
            for _ in 0..300 {
                trial.note(Duration::from_millis(took(trial.threads(), is_busy)));
            }
            assert_eq!(trial.chosen, Some(expected), "busy: {is_busy}");
        }
        for token in 0..300 {
            // A little slower, as in a long conversation.
            trial.note(Duration::from_millis(48 + token / 100));
            assert_eq!(trial.chosen, Some(8), "token {token}");
        }
    }

    #[test]
    fn what_a_person_chose_is_not_tried() {
        assert_eq!(ThreadTrial::new(6, true).chosen, Some(6));
        assert_eq!(ThreadTrial::new(1, false).chosen, Some(1));
        assert_eq!(ThreadTrial::new(2, false).candidates.len(), 2);
    }
}

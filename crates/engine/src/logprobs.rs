//! How probable a token was.

use engawa_engine_protocol::TokenLogprob;

use crate::llama::{LlamaError, Token, Vocabulary};

/// The most alternatives that are told of a token.
const MOST: usize = 100;
/// What stands for minus infinity, which JSON lacks.
const LOWEST: f32 = -9999.0;

/// The chosen token with its probability and those of the `top` most probable ones, from the scores of all tokens.
///
/// # Errors
/// When llama.cpp can't name a token.
pub(crate) fn token_logprob(
    vocabulary: Vocabulary<'_>,
    logits: &[f32],
    token: Token,
    top: u32,
) -> Result<TokenLogprob, LlamaError> {
    let (highest, log_sum) = normalizer(logits);
    let told = |token: Token| {
        let logit =
            usize::try_from(token).ok().and_then(|index| logits.get(index)).copied().unwrap_or(f32::NEG_INFINITY);
        let logprob = (logit - highest - log_sum).max(LOWEST);
        Ok(TokenLogprob { token, bytes: vocabulary.piece(token, true)?, logprob, top: Vec::new() })
    };
    let top = most_probable(logits, (top as usize).min(MOST));
    Ok(TokenLogprob { top: top.into_iter().map(told).collect::<Result<_, LlamaError>>()?, ..told(token)? })
}

/// The highest value `m` and `ln Σ exp(x - m)`: what has to be subtracted from a score for the logarithm of its probability.
fn normalizer(values: &[f32]) -> (f32, f32) {
    let highest = values.iter().copied().fold(f32::MIN, f32::max);
    let sum: f64 = values.iter().map(|value| f64::from(value - highest).exp()).sum();
    #[expect(clippy::cast_possible_truncation, reason = "a logarithm of at most the vocabulary's size")]
    let log_sum = sum.max(1.0).ln() as f32;
    (highest, log_sum)
}

/// The tokens with the highest scores, the best first.
fn most_probable(logits: &[f32], count: usize) -> Vec<Token> {
    let mut best: Vec<(f32, Token)> = Vec::with_capacity(count + 1);
    for (token, &logit) in (0..).zip(logits) {
        if best.len() == count && best.last().is_none_or(|&(worst, _)| logit <= worst) {
            continue;
        }
        let place = best.partition_point(|&(other, _)| other >= logit);
        best.insert(place, (logit, token));
        best.truncate(count);
    }
    best.into_iter().map(|(_, token)| token).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_come_first_and_equal_ones_by_number() {
        let logits = [0.5, 3.0, -1.0, 3.0, 2.0];
        assert_eq!(most_probable(&logits, 3), [1, 3, 4]);
        assert!(most_probable(&logits, 0).is_empty());
        assert_eq!(most_probable(&logits, 9), [1, 3, 4, 0, 2]);
    }

    #[test]
    fn probabilities_add_up_to_one() {
        let logits = [1000.0, 999.0, 0.0];
        let (highest, log_sum) = normalizer(&logits);
        let sum: f32 = logits.iter().map(|logit| (logit - highest - log_sum).exp()).sum();
        assert!((sum - 1.0).abs() < 1e-5, "{sum}");
    }
}

/// A family of code words of which any two agree in at most two of eight letters.
///
/// Word number `n` is the polynomial of second degree over the integers modulo a prime whose coefficients are
/// the digits of `n`, evaluated at 0 to 7. Source: Reed and Solomon, "Polynomial codes over certain finite fields" (1960).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Code {
    prime: usize,
}

/// Letters in a word.
pub(super) const LETTERS: usize = 8;

/// The largest part of its letters that one word shares with another.
pub(super) const OVERLAP: f32 = 0.25;

const PRIMES: [usize; 8] = [11, 13, 17, 19, 23, 29, 31, 37];

impl Code {
    /// The largest number of words that a family has.
    pub(super) const LIMIT: usize = 37 * 37 * 37;

    /// Returns the smallest family with at least `words` words.
    pub(super) fn with_words(words: usize) -> Option<Self> {
        PRIMES.into_iter().find(|prime| prime.pow(3) >= words).map(|prime| Self { prime })
    }

    /// Returns the number of features: one for each letter at each place.
    pub(super) fn features(self) -> usize {
        LETTERS * self.prime
    }

    /// Returns the features of word number `index`, one for each place.
    pub(super) fn word(self, index: usize) -> [usize; LETTERS] {
        let prime = self.prime;
        let [constant, linear, square] = [index % prime, index / prime % prime, index / prime / prime];
        std::array::from_fn(|place| place * prime + (constant + linear * place + square * place * place) % prime)
    }
}

#[cfg(test)]
mod tests {
    use super::Code;

    #[test]
    fn two_words_share_at_most_two_letters() {
        let code = Code::with_words(1331).unwrap();
        let words: Vec<_> = (0..1331).map(|index| code.word(index)).collect();
        for (index, left) in words.iter().enumerate() {
            for right in &words[index + 1..] {
                let shared = left.iter().zip(right).filter(|(left, right)| left == right).count();
                assert!(shared <= 2, "{left:?} and {right:?}");
            }
        }
    }
}

use std::cmp::Reverse;
use std::collections::HashMap;

/// A pair of byte strings that become one.
pub(super) type Merge = (Vec<u8>, Vec<u8>);

/// Learns up to `count` merges: each time the pair of neighbours that occurs most often.
///
/// Source: Sennrich, Haddow and Birch, "Neural machine translation of rare words with subword units" (2016).
pub(super) fn learn(words: &[&str], count: usize) -> Vec<Merge> {
    let mut symbols: Vec<Vec<u8>> = (0..=u8::MAX).map(|byte| vec![byte]).collect();
    let mut words = count_words(words);
    let mut merges = Vec::new();
    while merges.len() < count {
        let Some((left, right)) = most_frequent_pair(&words) else { break };
        let symbol = symbols.len();
        symbols.push([symbols[left].as_slice(), symbols[right].as_slice()].concat());
        merges.push((symbols[left].clone(), symbols[right].clone()));
        for (word, _) in &mut words {
            join(word, (left, right), symbol);
        }
    }
    merges
}

fn count_words(words: &[&str]) -> Vec<(Vec<usize>, usize)> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for word in words {
        *counts.entry(word).or_default() += 1;
    }
    counts.into_iter().map(|(word, count)| (word.bytes().map(usize::from).collect(), count)).collect()
}

/// Returns the pair that occurs most often and at least twice; of equals the one with the smallest numbers.
fn most_frequent_pair(words: &[(Vec<usize>, usize)]) -> Option<(usize, usize)> {
    let mut counts: HashMap<(usize, usize), usize> = HashMap::new();
    for (word, count) in words {
        for pair in word.windows(2) {
            *counts.entry((pair[0], pair[1])).or_default() += count;
        }
    }
    let (pair, count) = counts.into_iter().max_by_key(|(pair, count)| (*count, Reverse(*pair)))?;
    (count > 1).then_some(pair)
}

fn join(word: &mut Vec<usize>, (left, right): (usize, usize), merged: usize) {
    let mut index = 0;
    while index + 1 < word.len() {
        if word[index] == left && word[index + 1] == right {
            word[index] = merged;
            word.remove(index + 1);
        }
        index += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::learn;

    #[test]
    fn joins_the_most_frequent_neighbours_first() {
        let merges = learn(&["low", "low", "lower", "slow"], 2);
        assert_eq!(merges, [(b"l".to_vec(), b"o".to_vec()), (b"lo".to_vec(), b"w".to_vec())]);
    }

    #[test]
    fn stops_when_no_pair_occurs_twice() {
        assert!(learn(&["abc", "def"], 10).is_empty());
    }
}

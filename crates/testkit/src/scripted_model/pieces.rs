use std::collections::HashSet;

use crate::noise::Noise;
use crate::tokenizer::to_token_text;

/// Where texts may be cut.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Cuts {
    /// Between characters.
    #[default]
    Characters,
    /// Also inside characters of several bytes.
    Bytes,
    /// In front of spaces.
    Words,
}

/// Cuts texts into pieces of which no two are equal.
pub(super) struct Cutter {
    noise: Noise,
    cuts: Cuts,
}

impl Cutter {
    pub(super) fn new(cuts: Cuts) -> Self {
        Self { noise: Noise::new(0), cuts }
    }

    /// Cuts `text` into pieces that are not `taken` and differ from each other.
    ///
    /// Only if the text as a whole is taken, it comes back as one piece.
    pub(super) fn cut(&mut self, text: &str, taken: impl Fn(&str) -> bool) -> Vec<Vec<u8>> {
        let bytes = text.as_bytes();
        let mut own = HashSet::new();
        let mut pieces: Vec<&[u8]> = Vec::new();
        let mut start = 0;
        while start < bytes.len() {
            let wanted = 3 + self.noise.below(3);
            let mut end = self.end_of_piece(text, start, wanted);
            let free = |own: &HashSet<&[u8]>, piece: &[u8]| !own.contains(piece) && !taken(&to_token_text(piece));
            while end < bytes.len() && !free(&own, &bytes[start..end]) {
                end = self.next_cut(text, end);
            }
            // The rest of the text may be taken: then it is joined to what comes before it.
            while !free(&own, &bytes[start..end]) {
                let Some(previous) = pieces.pop() else { break };
                own.remove(previous);
                start -= previous.len();
            }
            pieces.push(&bytes[start..end]);
            own.insert(&bytes[start..end]);
            start = end;
        }
        pieces.into_iter().map(<[u8]>::to_vec).collect()
    }

    /// Returns the end of a piece of about `wanted` columns; letters outside ASCII are two columns wide.
    fn end_of_piece(&self, text: &str, start: usize, wanted: usize) -> usize {
        if self.cuts == Cuts::Words {
            return self.next_cut(text, start);
        }
        let mut end = start;
        let mut columns = 0;
        while columns < wanted && end < text.len() {
            columns += if self.cuts == Cuts::Bytes || text.as_bytes()[end].is_ascii() { 1 } else { 2 };
            end = self.next_cut(text, end);
        }
        end
    }

    /// Returns the next place after `position` at which the text may be cut.
    fn next_cut(&self, text: &str, position: usize) -> usize {
        let mut characters = text.get(position..).unwrap_or_default().char_indices();
        match self.cuts {
            Cuts::Bytes => position + 1,
            Cuts::Characters => position + characters.next().map_or(1, |(_, first)| first.len_utf8()),
            Cuts::Words => characters
                .skip(1)
                .find(|(_, character)| *character == ' ')
                .map_or(text.len(), |(space, _)| position + space),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, cuts: Cuts) -> Vec<Vec<u8>> {
        Cutter::new(cuts).cut(text, |token| token.chars().count() == 1)
    }

    #[test]
    fn pieces_differ_and_join_to_the_text() {
        let texts = ["a".repeat(500), "| a | b |\n|---|---|\n".repeat(20), "べ、別に🙂".repeat(40), "short".to_owned()];
        for text in texts {
            for cuts in [Cuts::Characters, Cuts::Bytes, Cuts::Words] {
                let pieces = cut(&text, cuts);
                assert_eq!(pieces.concat(), text.as_bytes());
                assert_eq!(pieces.iter().collect::<HashSet<_>>().len(), pieces.len(), "{pieces:?}");
            }
        }
    }

    #[test]
    fn characters_are_split_only_when_asked() {
        let text = "縁側でお茶を飲む😀😃😄。";
        assert!(cut(text, Cuts::Characters).iter().all(|piece| std::str::from_utf8(piece).is_ok()));
        assert!(cut(text, Cuts::Bytes).iter().any(|piece| std::str::from_utf8(piece).is_err()));
    }

    #[test]
    fn words_keep_the_space_in_front_of_them() {
        assert_eq!(cut("one two, three", Cuts::Words), [&b"one"[..], b" two,", b" three"]);
        // What occurs again is joined to its neighbour.
        assert_eq!(cut("a b b", Cuts::Words), [&b"a b"[..], b" b"]);
    }

    #[test]
    fn a_text_that_is_taken_as_a_whole_is_one_piece() {
        assert_eq!(Cutter::new(Cuts::Characters).cut("word", |_| true), [b"word".to_vec()]);
    }
}

//! The tokens that are in the KV cache, and how much of them a new prompt can use.

use std::rc::Rc;

use crate::llama::{Context, SEQUENCES, SequenceIndex, TextKind, Token, Vocabulary};
use crate::load::fits_memory;
use crate::media::{is_inside, is_shown, positions};
use crate::saved::Head;

/// Snapshots of a sequence: some turns back.
const SNAPSHOTS: usize = 6;

/// One of the context's sequences: what was decoded so far, in order.
pub(crate) struct Sequence {
    pub(crate) index: SequenceIndex,
    tokens: Vec<Token>,
    /// What a reply that was stopped has behind them: chosen, but not computed any more. Whoever goes on there goes on
    /// with these very tokens.
    written: Vec<Token>,
    /// Where replies begin, ascending: what a model writes first is often a space that its text then lacks.
    replies: Vec<usize>,
    /// Places that a recurrent model can go back to, ascending.
    snapshots: Vec<Snapshot>,
    /// Counts up with each use of any sequence: the smallest was used longest ago.
    pub(crate) last_used: u64,
    /// Whose conversation it is.
    pub(crate) owner: Option<String>,
}

/// A place in a sequence of a recurrent model.
#[derive(Clone)]
struct Snapshot {
    /// Tokens up to there.
    length: usize,
    state: Rc<[u8]>,
}

/// How a new prompt continues what is in the cache.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Continuation {
    /// Tokens of the cache that stay.
    pub(crate) keep: usize,
    /// The prompt as it will be in the cache: `keep` old tokens, then new ones. May differ from the prompt's own
    /// tokens where a reply was written in other pieces than its text would be cut into; the text is the same.
    pub(crate) tokens: Vec<Token>,
}

impl Sequence {
    /// All sequences of a context that has computed nothing.
    pub(crate) fn all() -> Vec<Self> {
        let new = |index| Self {
            index: SequenceIndex(index),
            tokens: Vec::new(),
            written: Vec::new(),
            replies: Vec::new(),
            snapshots: Vec::new(),
            last_used: 0,
            owner: None,
        };
        (0..SEQUENCES).map(new).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// The position behind the last token.
    pub(crate) fn position(&self) -> usize {
        positions(&self.tokens)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Notes tokens that were computed.
    pub(crate) fn extend(&mut self, tokens: &[Token]) {
        self.written.clear();
        self.tokens.extend_from_slice(tokens);
    }

    /// Notes all tokens of a reply that ended, also those that are not computed.
    pub(crate) fn end_reply(&mut self, tokens: &[Token]) {
        self.written = tokens.get(self.tokens.len()..).unwrap_or_default().to_vec();
    }

    /// Keeps the first `length` tokens, also of what an unfinished batch left behind them; as many of them as it has a
    /// snapshot of when the model can't forget only a part.
    pub(crate) fn cut(&mut self, context: &mut Context<'_>, length: usize) {
        let position = self.position_of(length);
        let kept = if context.truncate(self.index, position) { length } else { self.go_back(context, length) };
        self.written.clear();
        self.tokens.truncate(kept);
        self.replies.retain(|&start| start <= kept);
        self.snapshots.retain(|snapshot| snapshot.length <= kept);
    }

    /// The position behind the first `length` tokens, of which there may be fewer.
    fn position_of(&self, length: usize) -> usize {
        positions(&self.tokens[..length.min(self.tokens.len())]) + length.saturating_sub(self.tokens.len())
    }

    /// Goes back to the last snapshot of at most `length` tokens; gives its length, 0 without one.
    fn go_back(&self, context: &mut Context<'_>, length: usize) -> usize {
        let snapshot = self.snapshots.iter().rfind(|snapshot| snapshot.length <= length);
        match snapshot {
            Some(snapshot) if context.go_back(self.index, &snapshot.state, self.position_of(snapshot.length)) => {
                snapshot.length
            }
            _ => {
                context.clear(self.index);
                0
            }
        }
    }

    /// Remembers this place, if the model could not come back to it otherwise and memory allows.
    pub(crate) fn take_snapshot(&mut self, context: &mut Context<'_>) {
        let is_there = self.snapshots.last().is_some_and(|snapshot| snapshot.length == self.len());
        if !context.needs_snapshots() || is_there || self.is_empty() || !fits_memory(context.snapshot_size(self.index))
        {
            return;
        }
        if self.snapshots.len() == SNAPSHOTS {
            self.snapshots.remove(0);
        }
        let state = context.snapshot(self.index).into();
        self.snapshots.push(Snapshot { length: self.len(), state });
    }

    /// Becomes the first `length` tokens of another sequence; empty when the model can't share a part.
    pub(crate) fn begin_like(&mut self, other: &Self, context: &mut Context<'_>, length: usize) {
        let position = other.position_of(length);
        let mut length = if context.share(other.index, self.index, position) { length } else { 0 };
        let up_to_there = other.snapshots.iter().filter(|snapshot| snapshot.length <= length);
        self.snapshots = up_to_there.cloned().collect();
        self.written.clear();
        self.tokens = other.tokens[..length].to_vec();
        if context.needs_snapshots() && length < other.len() {
            length = self.go_back(context, length);
            self.tokens.truncate(length);
        }
        self.replies = other.replies.iter().copied().filter(|&start| start <= length).collect();
    }

    /// Becomes a saved sequence; empty when llama.cpp does not take its state.
    pub(crate) fn restore(&mut self, head: Head, state: &[u8], context: &mut Context<'_>) {
        let Head { tokens, replies } = head;
        self.written.clear();
        self.snapshots.clear();
        (self.tokens, self.replies) = if context.restore(self.index, state, positions(&tokens)) {
            (tokens, replies)
        } else {
            (Vec::new(), Vec::new())
        };
    }

    /// What a saved sequence has beside its state.
    pub(crate) fn head(&self) -> Head {
        Head { tokens: self.tokens.clone(), replies: self.replies.clone() }
    }

    pub(crate) fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// Notes that a reply begins here.
    pub(crate) fn begin_reply(&mut self) {
        if self.replies.last() != Some(&self.tokens.len()) {
            self.replies.push(self.tokens.len());
        }
    }

    /// Finds the longest part of the cache that the prompt begins with, by text rather than by token: a model does
    /// not always write the tokens that its own text would be cut into.
    pub(crate) fn continuation(&self, vocabulary: Vocabulary<'_>, prompt: Vec<Token>) -> Continuation {
        if self.written.is_empty() {
            return continuation_of(&self.tokens, &self.replies, vocabulary, prompt);
        }
        let tokens = [self.tokens.as_slice(), &self.written].concat();
        let Continuation { keep, tokens } = continuation_of(&tokens, &self.replies, vocabulary, prompt);
        Continuation { keep: keep.min(self.tokens.len()), tokens }
    }
}

/// As [`Sequence::continuation`], of tokens that are elsewhere.
pub(crate) fn continuation_of(
    tokens: &[Token],
    replies: &[usize],
    vocabulary: Vocabulary<'_>,
    prompt: Vec<Token>,
) -> Continuation {
    continuation(tokens, replies, prompt, &VocabularyText(vocabulary))
}

/// What [`continuation`] must know of a vocabulary.
trait TokenText {
    /// The token's bytes; `None` for a control or hand-made token, which is equal to itself only.
    fn text(&self, token: Token) -> Option<Vec<u8>>;
    /// Plain text as tokens, if it is valid text.
    fn tokenize(&self, text: &[u8]) -> Option<Vec<Token>>;
}

struct VocabularyText<'model>(Vocabulary<'model>);

impl TokenText for VocabularyText<'_> {
    fn text(&self, token: Token) -> Option<Vec<u8>> {
        // Hand-made tokens are found in plain text as well: cut anew, a person's `<think>` would become a real one.
        let is_marker = is_shown(token) || self.0.is_control(token) || self.0.is_user_defined(token);
        if is_marker { None } else { self.0.piece(token, true).ok() }
    }

    fn tokenize(&self, text: &[u8]) -> Option<Vec<Token>> {
        self.0.tokenize(std::str::from_utf8(text).ok()?, TextKind::Plain).ok()
    }
}

fn continuation(cache: &[Token], replies: &[usize], prompt: Vec<Token>, vocabulary: &impl TokenText) -> Continuation {
    let equal = cache.iter().zip(&prompt).take_while(|(cached, wanted)| cached == wanted).count();
    let by_text = if equal == cache.len() || equal == prompt.len() {
        None
    } else {
        continue_by_text(cache, replies, &prompt, equal, vocabulary)
    };
    let mut continuation = by_text.unwrap_or(Continuation { keep: equal, tokens: prompt });
    // The logits of the last token are needed, so at least that one is decoded again.
    continuation.keep = continuation.keep.min(continuation.tokens.len().saturating_sub(1));
    // What is shown is there as a whole or not at all.
    while continuation.tokens.get(continuation.keep).is_some_and(|&token| is_inside(token)) {
        continuation.keep -= 1;
    }
    continuation
}

/// Walks on behind the first difference for as long as the texts are equal, but for white space that a reply begins
/// with, and cuts the rest of the prompt anew.
fn continue_by_text(
    cache: &[Token],
    replies: &[usize],
    prompt: &[Token],
    equal: usize,
    vocabulary: &impl TokenText,
) -> Option<Continuation> {
    let mut keep = equal;
    let mut next = equal;
    let mut at_reply_start = false;
    // What the prompt's tokens up to `next` have beyond the cache's tokens up to `keep`.
    let mut ahead: Vec<u8> = Vec::new();
    // The furthest place where both end at the same byte, or where the rest can be cut anew.
    let mut best = None;
    while keep < cache.len() {
        if ahead.is_empty() {
            if keep > equal {
                best = Some((keep, next, Vec::new()));
            }
            if next < prompt.len() && cache[keep] == prompt[next] {
                keep += 1;
                next += 1;
                at_reply_start = false;
                continue;
            }
        }
        let Some(mut cached) = vocabulary.text(cache[keep]) else { break };
        at_reply_start |= replies.contains(&keep);
        if at_reply_start {
            cached = cached.trim_ascii_start().to_vec();
            if cached.is_empty() {
                keep += 1;
                continue;
            }
        }
        while ahead.len() < cached.len() && next < prompt.len() {
            let Some(text) = vocabulary.text(prompt[next]) else { break };
            ahead.extend(text);
            next += 1;
            if at_reply_start {
                ahead = ahead.trim_ascii_start().to_vec();
            }
        }
        at_reply_start = false;
        if cached.is_empty() || !ahead.starts_with(&cached) {
            break;
        }
        ahead.drain(..cached.len());
        keep += 1;
        best = Some((keep, next, ahead.clone()));
    }
    if ahead.is_empty() && keep > equal {
        best = Some((keep, next, Vec::new()));
    }
    let (keep, next, ahead) = best?;
    let mut tokens = cache[..keep].to_vec();
    if ahead.is_empty() {
        tokens.extend_from_slice(&prompt[next..]);
        return Some(Continuation { keep, tokens });
    }
    // The cache ends inside one of the prompt's tokens: the text from there to the next control token is cut anew.
    let run = prompt[next..].iter().take_while(|&&token| vocabulary.text(token).is_some()).count();
    let mut text = ahead;
    for &token in &prompt[next..next + run] {
        text.extend(vocabulary.text(token)?);
    }
    let rest = vocabulary.tokenize(&text)?;
    // Some tokenizers put a space in front of whatever they are given; then the text would be another one.
    let same: Vec<u8> = rest.iter().filter_map(|&token| vocabulary.text(token)).flatten().collect();
    if same != text {
        return None;
    }
    tokens.extend(rest);
    tokens.extend_from_slice(&prompt[next + run..]);
    Some(Continuation { keep, tokens })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tokens are texts by number; those over 100 are control tokens. Cutting takes the longest text each time.
    struct Words(&'static [(Token, &'static str)]);

    impl TokenText for Words {
        fn text(&self, token: Token) -> Option<Vec<u8>> {
            self.0.iter().find(|(number, _)| *number == token).map(|(_, text)| text.as_bytes().to_vec())
        }

        fn tokenize(&self, text: &[u8]) -> Option<Vec<Token>> {
            let mut rest = std::str::from_utf8(text).ok()?;
            let mut tokens = Vec::new();
            while !rest.is_empty() {
                let (token, word) =
                    self.0.iter().filter(|(_, word)| rest.starts_with(word)).max_by_key(|(_, word)| word.len())?;
                tokens.push(*token);
                rest = &rest[word.len()..];
            }
            Some(tokens)
        }
    }

    const WORDS: Words = Words(&[(1, "a"), (2, "b"), (3, "ab"), (4, "ba"), (5, "c"), (6, "cb"), (7, " "), (8, " a")]);
    const END: Token = 101;

    fn check(cache: &[Token], prompt: &[Token], keep: usize, tokens: &[Token]) {
        check_reply(cache, &[], prompt, keep, tokens);
    }

    fn check_reply(cache: &[Token], replies: &[usize], prompt: &[Token], keep: usize, tokens: &[Token]) {
        let expected = Continuation { keep, tokens: tokens.to_vec() };
        assert_eq!(continuation(cache, replies, prompt.to_vec(), &WORDS), expected);
    }

    #[test]
    fn equal_tokens_stay() {
        check(&[1, 2], &[1, 2, 5], 2, &[1, 2, 5]);
        check(&[1, 2, 5], &[1, 2], 1, &[1, 2]);
        check(&[], &[1], 0, &[1]);
        check(&[1, 5], &[2, 5], 0, &[2, 5]);
    }

    #[test]
    fn a_reply_written_in_other_pieces_stays() {
        // "ab" was written as "a", "b"; the prompt cuts it as "ab".
        check(&[END, 1, 2], &[END, 3, END, 5], 3, &[END, 1, 2, END, 5]);
        // The other way round.
        check(&[END, 3], &[END, 1, 2, END], 2, &[END, 3, END]);
    }

    #[test]
    fn the_rest_of_a_token_is_cut_anew() {
        // The cache has "ab" + "c" as "a", "b", "c"; the prompt's next text is "cb" in one piece.
        check(&[END, 1, 2, 5], &[END, 3, 6, END], 4, &[END, 1, 2, 5, 2, END]);
    }

    #[test]
    fn other_text_is_not_kept() {
        check(&[END, 1, 2, 5], &[END, 3, 1, END], 3, &[END, 1, 2, 1, END]);
        check(&[END, 1, 102, 5], &[END, 1, END, 5], 2, &[END, 1, END, 5]);
    }

    #[test]
    fn white_space_that_a_reply_begins_with_is_overlooked_there_only() {
        // The model wrote " a", "b"; the prompt has "ab".
        check_reply(&[END, 8, 2], &[1], &[END, 3, END], 3, &[END, 8, 2, END]);
        check_reply(&[END, 7, 1, 2], &[1], &[END, 3, END], 4, &[END, 7, 1, 2, END]);
        // The other way round, and elsewhere.
        check_reply(&[END, 1, 2], &[1], &[END, 8, 2, END], 3, &[END, 1, 2, END]);
        check_reply(&[END, 8, 2], &[], &[END, 3, END], 1, &[END, 3, END]);
        // Not behind the reply's first word.
        check_reply(&[END, 7, 1, 8], &[1], &[END, 1, 1, END], 3, &[END, 7, 1, 1, END]);
    }

    #[test]
    fn the_last_token_is_always_decoded() {
        check(&[1, 2], &[1, 2], 1, &[1, 2]);
        check(&[END, 1, 2], &[END, 3], 2, &[END, 1, 2]);
    }
}

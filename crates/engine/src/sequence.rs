//! The tokens that are in the KV cache, and how much of them a new prompt can use.

use crate::llama::{Context, DecodeOutcome, TextKind, Token, Vocabulary};

/// The context's one sequence: what was decoded so far, in order.
#[derive(Default)]
pub(crate) struct Sequence {
    tokens: Vec<Token>,
    /// Where replies begin, ascending: what a model writes first is often a space that its text then lacks.
    replies: Vec<usize>,
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
    pub(crate) fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    pub(crate) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Keeps the first `length` tokens; none when the model can't forget only a part.
    pub(crate) fn truncate(&mut self, context: &mut Context<'_>, length: usize) {
        if length < self.tokens.len() {
            self.cut(context, length);
        }
    }

    fn cut(&mut self, context: &mut Context<'_>, length: usize) {
        let kept = if context.truncate(length) { length } else { 0 };
        self.tokens.truncate(kept);
        self.replies.retain(|&start| start <= kept);
    }

    /// Notes that a reply begins here.
    pub(crate) fn begin_reply(&mut self) {
        if self.replies.last() != Some(&self.tokens.len()) {
            self.replies.push(self.tokens.len());
        }
    }

    /// Decodes tokens behind those in the cache. After anything but success, only whole earlier calls are kept.
    pub(crate) fn decode(&mut self, context: &mut Context<'_>, tokens: &[Token]) -> DecodeOutcome {
        let outcome = context.decode(tokens, self.tokens.len());
        if outcome == DecodeOutcome::Done {
            self.tokens.extend_from_slice(tokens);
        } else {
            // llama.cpp may hold a part of what it was given.
            self.cut(context, self.tokens.len());
        }
        outcome
    }

    /// Finds the longest part of the cache that the prompt begins with, by text rather than by token: a model does
    /// not always write the tokens that its own text would be cut into.
    pub(crate) fn continuation(&self, vocabulary: Vocabulary<'_>, prompt: Vec<Token>) -> Continuation {
        continuation(&self.tokens, &self.replies, prompt, &VocabularyText(vocabulary))
    }
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
        let is_marker = self.0.is_control(token) || self.0.is_user_defined(token);
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

//! A byte-level BPE tokenizer, trained on a page of English, Japanese and Russian.

mod byte_alphabet;
mod merges;
mod pre_tokens;

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::gguf::{Value, Writer};

pub use byte_alphabet::to_token_text;

const CORPUS: &str = include_str!("tokenizer/corpus.txt");
const MERGES: usize = 480;

/// Begins a document; also the padding token.
pub const END_OF_TEXT: &str = "<|endoftext|>";
/// Begins a message.
pub const MESSAGE_START: &str = "<|im_start|>";
/// Ends a message and a reply.
pub const MESSAGE_END: &str = "<|im_end|>";
/// Tags that models write and programs read: tokens of their own that are also found in plain text.
pub const TAGS: [&str; 8] = [
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
    "<tool_response>",
    "</tool_response>",
    "<tools>",
    "</tools>",
];

/// What a token stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// Bytes, spelled in the byte alphabet.
    Normal,
    /// A mark that only a template may set.
    Control,
    /// A text that is always one token, wherever it occurs.
    UserDefined,
}

impl TokenKind {
    fn number(self) -> i32 {
        match self {
            Self::Normal => 1,
            Self::Control => 3,
            Self::UserDefined => 4,
        }
    }
}

/// A vocabulary with its merges.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    texts: Vec<String>,
    kinds: Vec<TokenKind>,
    merges: Vec<String>,
    ids: HashMap<String, u32>,
}

impl Tokenizer {
    /// Returns the trained tokenizer: 256 bytes, the merged pieces, three control tokens, the [`TAGS`].
    #[must_use]
    pub fn trained() -> Self {
        static TRAINED: OnceLock<Tokenizer> = OnceLock::new();
        TRAINED.get_or_init(Self::train).clone()
    }

    fn train() -> Self {
        let mut tokenizer = Self { texts: Vec::new(), kinds: Vec::new(), merges: Vec::new(), ids: HashMap::new() };
        for byte in 0..=u8::MAX {
            tokenizer.push(to_token_text(&[byte]), TokenKind::Normal);
        }
        for (left, right) in merges::learn(&pre_tokens::split(CORPUS), MERGES) {
            let (left, right) = (to_token_text(&left), to_token_text(&right));
            tokenizer.merges.push(format!("{left} {right}"));
            let merged = left + &right;
            if tokenizer.id(&merged).is_none() {
                tokenizer.push(merged, TokenKind::Normal);
            }
        }
        for text in [END_OF_TEXT, MESSAGE_START, MESSAGE_END] {
            tokenizer.push(text.to_owned(), TokenKind::Control);
        }
        for text in TAGS {
            tokenizer.push(text.to_owned(), TokenKind::UserDefined);
        }
        tokenizer
    }

    /// Returns the number of tokens.
    #[must_use]
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Says whether there are no tokens, which is never so.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Returns the number of the token with this text (of bytes: as [`to_token_text`] spells them).
    #[must_use]
    pub fn id(&self, text: &str) -> Option<u32> {
        self.ids.get(text).copied()
    }

    /// Returns the text of the token as the vocabulary spells it.
    ///
    /// # Panics
    /// If there is no such token.
    #[must_use]
    pub fn text(&self, id: u32) -> &str {
        &self.texts[id as usize]
    }

    /// Returns what the token stands for.
    ///
    /// # Panics
    /// If there is no such token.
    #[must_use]
    pub fn kind(&self, id: u32) -> TokenKind {
        self.kinds[id as usize]
    }

    /// Adds a token whose text is new and returns its number.
    ///
    /// # Panics
    /// If there is a token with this text: llama.cpp aborts on such a vocabulary.
    pub fn push(&mut self, text: String, kind: TokenKind) -> u32 {
        let id = self.texts.len() as u32;
        let known = self.ids.insert(text.clone(), id);
        assert!(known.is_none(), "the token {text:?} is there already");
        self.texts.push(text);
        self.kinds.push(kind);
        id
    }

    /// Makes a known token one that is found in plain text before any merge.
    pub(crate) fn promote(&mut self, id: u32) {
        self.kinds[id as usize] = TokenKind::UserDefined;
    }

    /// Adds tokens until there are `count`. They are words of their own: no text is cut into them, but a model with
    /// random weights writes them.
    pub(crate) fn pad(&mut self, count: usize) {
        while self.len() < count {
            let word = format!(" word{}", self.len());
            self.push(to_token_text(word.as_bytes()), TokenKind::Normal);
        }
    }

    /// Writes the vocabulary into the metadata; a reply ends with [`MESSAGE_END`].
    ///
    /// # Panics
    /// Never: training adds the tokens that are looked up.
    pub fn describe(&self, writer: &mut Writer) {
        let id = |text| self.id(text).expect("training adds the control tokens");
        writer
            .set("tokenizer.ggml.model", "gpt2")
            .set("tokenizer.ggml.pre", "qwen2")
            .set("tokenizer.ggml.tokens", Value::Strings(self.texts.clone()))
            .set("tokenizer.ggml.token_type", Value::I32s(self.kinds.iter().map(|kind| kind.number()).collect()))
            .set("tokenizer.ggml.merges", Value::Strings(self.merges.clone()))
            .set("tokenizer.ggml.bos_token_id", id(END_OF_TEXT))
            .set("tokenizer.ggml.eos_token_id", id(MESSAGE_END))
            .set("tokenizer.ggml.padding_token_id", id(END_OF_TEXT))
            .set("tokenizer.ggml.add_bos_token", false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn training_learns_pieces_of_all_three_languages() {
        let tokenizer = Tokenizer::trained();
        for word in [" the", "です", "то", "\n"] {
            assert!(tokenizer.id(&to_token_text(word.as_bytes())).is_some(), "{word:?} is not a token");
        }
        assert_eq!(tokenizer.kind(tokenizer.id(MESSAGE_END).unwrap()), TokenKind::Control);
        assert_eq!(tokenizer.kind(tokenizer.id("<think>").unwrap()), TokenKind::UserDefined);
    }

    #[test]
    fn every_merge_joins_two_tokens() {
        let tokenizer = Tokenizer::trained();
        for merge in &tokenizer.merges {
            let (left, right) = merge.split_once(' ').unwrap();
            assert!(tokenizer.id(left).is_some() && tokenizer.id(right).is_some(), "{merge:?}");
            assert!(tokenizer.id(&format!("{left}{right}")).is_some(), "{merge:?}");
        }
    }
}

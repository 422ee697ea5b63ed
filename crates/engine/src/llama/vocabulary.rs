//! Tokens and text.

use std::marker::PhantomData;

use llama_cpp_sys_2 as sys;

use super::error::ErrorSlot;
use super::{LlamaError, Model, shim};

/// A token's number in its model's vocabulary.
pub(crate) type Token = sys::llama_token;

/// The vocabulary of a loaded model.
#[derive(Clone, Copy)]
pub(crate) struct Vocabulary<'model> {
    pointer: *const sys::llama_vocab,
    model: PhantomData<&'model Model>,
}

/// Which tokens a text may turn into.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextKind {
    /// The start of a prompt that a template wrote: control tokens are recognised, the beginning-of-text token added.
    PromptStart,
    /// A later part of such a prompt.
    PromptPart,
    /// Text without control tokens.
    Plain,
    /// Such a text by itself, with the tokens that the model wants around it.
    Whole,
}

impl<'model> Vocabulary<'model> {
    pub(super) fn new(model: &'model Model) -> Self {
        // SAFETY: the model is loaded; its vocabulary lives as long as it.
        let pointer = unsafe { sys::llama_model_get_vocab(model.as_ptr()) };
        Self { pointer, model: PhantomData }
    }

    /// Turns text into tokens.
    pub(crate) fn tokenize(self, text: &str, kind: TextKind) -> Result<Vec<Token>, LlamaError> {
        let length = i32::try_from(text.len()).map_err(|_| LlamaError("the text is larger than 2 GB".into()))?;
        let mut tokens = vec![0; text.len() / 2 + 16];
        loop {
            let capacity = i32::try_from(tokens.len()).map_err(|_| LlamaError("too many tokens".into()))?;
            let mut error = ErrorSlot::new();
            // SAFETY: `tokens` has room for `capacity` tokens and `text` is `length` bytes long.
            let count = unsafe {
                shim::engawa_tokenize(
                    self.pointer,
                    text.as_ptr().cast(),
                    length,
                    tokens.as_mut_ptr(),
                    capacity,
                    matches!(kind, TextKind::PromptStart | TextKind::Whole),
                    matches!(kind, TextKind::PromptStart | TextKind::PromptPart),
                    error.as_out(),
                )
            };
            let count = error.check(count)?;
            if let Ok(count) = usize::try_from(count) {
                tokens.truncate(count);
                return Ok(tokens);
            }
            // A negative count is the room needed.
            tokens.resize(usize::try_from(i64::from(count).unsigned_abs()).unwrap_or(usize::MAX), 0);
        }
    }

    /// The bytes of a token; control tokens have none unless `with_control`.
    pub(crate) fn piece(self, token: Token, with_control: bool) -> Result<Vec<u8>, LlamaError> {
        let mut bytes = vec![0_u8; 32];
        loop {
            let capacity = i32::try_from(bytes.len()).map_err(|_| LlamaError("a token of over 2 GB".into()))?;
            let mut error = ErrorSlot::new();
            // SAFETY: `bytes` has room for `capacity` bytes; the shim checks the token's range by catching what it throws.
            let count = unsafe {
                shim::engawa_token_to_piece(
                    self.pointer,
                    token,
                    bytes.as_mut_ptr().cast(),
                    capacity,
                    with_control,
                    error.as_out(),
                )
            };
            let count = error.check(count)?;
            if let Ok(count) = usize::try_from(count) {
                bytes.truncate(count);
                return Ok(bytes);
            }
            bytes.resize(usize::try_from(i64::from(count).unsigned_abs()).unwrap_or(usize::MAX), 0);
        }
    }

    /// The number of tokens.
    pub(crate) fn len(self) -> Token {
        // SAFETY: the vocabulary lives as long as `self`.
        unsafe { sys::llama_vocab_n_tokens(self.pointer) }
    }

    /// Whether the token ends a turn or a text.
    pub(crate) fn is_end(self, token: Token) -> bool {
        // SAFETY: the vocabulary lives as long as `self`, and the token came from it.
        unsafe { sys::llama_vocab_is_eog(self.pointer, token) }
    }

    /// Whether the token is a control token: part of the format, not of the text.
    pub(crate) fn is_control(self, token: Token) -> bool {
        self.has_attribute(token, sys::LLAMA_TOKEN_ATTR_CONTROL | sys::LLAMA_TOKEN_ATTR_UNKNOWN)
    }

    /// Whether the model's makers added the token by hand; it is found in text before anything else.
    pub(crate) fn is_user_defined(self, token: Token) -> bool {
        self.has_attribute(token, sys::LLAMA_TOKEN_ATTR_USER_DEFINED)
    }

    /// Tokens that a warm-up can compute without meaning anything.
    pub(crate) fn warm_up_token(self) -> Token {
        // SAFETY: the vocabulary lives as long as `self`. Without such a token it is -1.
        let token = unsafe { sys::llama_vocab_bos(self.pointer) };
        token.max(0)
    }

    /// A query and a document as rerankers were trained on them: each ends with the end token, or with the separator
    /// where there is none, and begins with what the model wants.
    pub(crate) fn rank_pair(self, query: &[Token], document: &[Token]) -> Vec<Token> {
        // SAFETY: the vocabulary lives as long as `self`; tokens that it lacks are -1.
        let (bos, eos, sep, add_bos, add_eos, add_sep) = unsafe {
            (
                sys::llama_vocab_bos(self.pointer),
                sys::llama_vocab_eos(self.pointer),
                sys::llama_vocab_sep(self.pointer),
                sys::llama_vocab_get_add_bos(self.pointer),
                sys::llama_vocab_get_add_eos(self.pointer),
                sys::llama_vocab_get_add_sep(self.pointer),
            )
        };
        let end = if eos < 0 { sep } else { eos };
        let mark = |token: Token, wanted: bool| Some(token).filter(|&token| wanted && token >= 0);
        let mut tokens: Vec<Token> = mark(bos, add_bos).into_iter().collect();
        tokens.extend_from_slice(query);
        tokens.extend(mark(end, add_eos));
        tokens.extend(mark(sep, add_sep));
        tokens.extend_from_slice(document);
        tokens.extend(mark(end, add_eos));
        tokens
    }

    fn has_attribute(self, token: Token, attribute: sys::llama_token_attr) -> bool {
        // SAFETY: the vocabulary lives as long as `self`, and callers pass tokens of it (0..len).
        unsafe { sys::llama_vocab_get_attr(self.pointer, token) & attribute != 0 }
    }
}

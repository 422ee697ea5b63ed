//! The heads by which some models guess what follows their next token (multi-token prediction).

use std::sync::atomic::AtomicBool;

use llama_cpp_sys_2 as sys;

use super::context::outcome_of;
use super::error::ErrorSlot;
use super::{Context, ContextSettings, DecodeOutcome, Model, Row, SequenceIndex, Token, shim};

/// The architectures whose heads llama.cpp computes from the states behind single tokens, beside an attention over all of them.
const ARCHITECTURES: [&str; 5] = ["deepseek2", "glm4moe", "mimo2", "qwen35", "qwen35moe"];

/// A token to be guessed behind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guess {
    pub(crate) token: Token,
    pub(crate) position: usize,
    pub(crate) sequence: SequenceIndex,
    /// Whether the scores behind it are wanted, and the state.
    pub(crate) wanted: bool,
}

/// A model's heads, and what they have read.
pub(crate) struct Heads<'model> {
    context: Context<'model>,
    count: usize,
    /// Numbers of a state.
    width: usize,
}

impl<'model> Heads<'model> {
    /// Makes the context of a model's heads, if it has any that are loaded, and lets `target` keep the states that they take.
    pub(crate) fn new(
        model: &'model Model,
        target: &Context<'model>,
        settings: ContextSettings,
        abort: &'static AtomicBool,
    ) -> Option<Self> {
        // SAFETY: the model is loaded.
        let count = unsafe { sys::llama_model_n_layer_nextn(model.as_ptr()) };
        let count = usize::try_from(count).ok().filter(|&count| count > 0)?;
        if !ARCHITECTURES.contains(&model.metadata("general.architecture").as_str()) {
            return None;
        }
        let context = Context::of_heads(model, settings, abort)?;
        let mut error = ErrorSlot::new();
        // SAFETY: both contexts live, and belong to the same model.
        unsafe { shim::engawa_heads_join(target.as_ptr(), context.as_ptr(), error.as_out()) };
        error.check(()).ok()?;
        // SAFETY: the model is loaded.
        let width = usize::try_from(unsafe { sys::llama_model_n_embd_out(model.as_ptr()) }).unwrap_or(0);
        Some(Self { context, count, width })
    }

    /// Heads that follow each other: each guesses one token further.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Numbers of a state.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Tokens that one [`Heads::compute`] takes at most.
    pub(crate) fn batch_size(&self) -> usize {
        self.context.batch_size()
    }

    /// The state behind a token of the last batch of the model itself, at its place in that batch. Empty where there is none.
    pub(crate) fn state_in<'context>(&self, target: &'context Context<'_>, index: usize) -> &'context [f32] {
        state(target, i32::try_from(index).unwrap_or(i32::MAX), self.width)
    }

    /// The state behind a guess that was wanted.
    pub(crate) fn state(&self, row: Row) -> &[f32] {
        state(&self.context, row.0, self.width)
    }

    /// The scores of all tokens behind a guess that was wanted, `[n_vocab]`.
    pub(crate) fn logits(&self, row: Row) -> &[f32] {
        self.context.logits(row)
    }

    /// Computes guesses with one of the heads, each with the state behind the token in front of it, `[guesses, width]`. The
    /// guesses of a sequence follow its last one.
    pub(crate) fn compute(&mut self, head: usize, guesses: &[Guess], states: &[f32]) -> DecodeOutcome {
        assert_eq!(states.len(), guesses.len() * self.width, "a state for each guess");
        let raw: Vec<_> = guesses.iter().copied().map(Guess::to_raw).collect();
        let head = i32::try_from(head).unwrap_or(i32::MAX);
        let mut error = ErrorSlot::new();
        // SAFETY: the context lives, and the two arrays have as many entries as are named.
        let status = unsafe {
            let context = self.context.as_ptr();
            shim::engawa_heads_decode(context, head, raw.as_ptr(), states.as_ptr(), raw.len(), error.as_out())
        };
        outcome_of(&error.check(status))
    }

    /// The row of a guess of the last [`Heads::compute`].
    pub(crate) fn row(index: usize) -> Row {
        Row(i32::try_from(index).unwrap_or(i32::MAX))
    }

    /// Forgets a sequence from a position on.
    pub(crate) fn forget_from(&mut self, sequence: SequenceIndex, position: usize) {
        if !self.context.remove_from(sequence, position) {
            self.context.clear(sequence);
        }
    }

    /// Makes `to` what `from` is up to a position.
    pub(crate) fn share(&mut self, from: SequenceIndex, to: SequenceIndex, position: usize) {
        self.context.copy(from, to, position);
    }
}

impl Guess {
    fn to_raw(self) -> shim::Guess {
        shim::Guess {
            token: self.token,
            position: i32::try_from(self.position).unwrap_or(i32::MAX),
            sequence: self.sequence.raw(),
            wanted: self.wanted,
        }
    }
}

fn state<'context>(context: &'context Context<'_>, index: i32, width: usize) -> &'context [f32] {
    let mut error = ErrorSlot::new();
    // SAFETY: the context lives; llama.cpp gives null where the batch has no such token, else `width` numbers, which stay until
    // the next batch, and that needs the context mutably.
    unsafe {
        let state = shim::engawa_heads_state(context.as_ptr(), index, error.as_out());
        let state = error.check(state).unwrap_or(std::ptr::null());
        if state.is_null() { &[] } else { std::slice::from_raw_parts(state, width) }
    }
}

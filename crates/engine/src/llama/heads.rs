//! The heads by which some models guess what follows their next token (multi-token prediction).

use std::ffi::CStr;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use llama_cpp_sys_2 as sys;

use super::context::outcome_of;
use super::error::{ErrorSlot, take_text};
use super::{Context, ContextSettings, DecodeOutcome, Model, Row, SequenceIndex, Token, c_path, shim};

/// What llama.cpp needs of the heads of an architecture; it ends the process where that is not there.
struct Kind {
    architecture: &'static str,
    /// How many of them there may be.
    most: usize,
    parts: &'static [&'static CStr],
}

const KINDS: [Kind; 4] = [
    Kind {
        architecture: "glm4moe",
        most: 1,
        parts: &[c"nextn.eh_proj", c"nextn.enorm", c"nextn.hnorm", c"ffn_gate_inp"],
    },
    Kind {
        architecture: "mimo2",
        most: 8,
        parts: &[c"nextn.eh_proj", c"nextn.enorm", c"nextn.hnorm", c"attn_qkv", c"ffn_gate", c"ffn_up", c"ffn_down"],
    },
    Kind { architecture: "qwen35", most: 1, parts: &[c"nextn.eh_proj", c"nextn.enorm", c"nextn.hnorm"] },
    Kind {
        architecture: "qwen35moe",
        most: 1,
        parts: &[c"nextn.eh_proj", c"nextn.enorm", c"nextn.hnorm", c"ffn_gate_inp"],
    },
];

impl Kind {
    fn of(architecture: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.architecture == architecture)
    }
}

/// Whether a file says that it has heads that can be used. Reads its header only.
pub(crate) fn says_heads(path: &Path) -> bool {
    let Some(path) = c_path(path) else { return false };
    let mut error = ErrorSlot::new();
    // SAFETY: the path is NUL-terminated.
    let architecture = unsafe { shim::engawa_heads_architecture(path.as_ptr(), error.as_out()) };
    error.check(architecture).ok().and_then(take_text).is_some_and(|architecture| Kind::of(&architecture).is_some())
}

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
    /// Makes the context of a model's heads, if it has any that are loaded and whole, and lets `target` keep the states that they
    /// take.
    pub(crate) fn new(
        model: &'model Model,
        target: &Context<'model>,
        settings: ContextSettings,
        abort: &'static AtomicBool,
    ) -> Option<Self> {
        let kind = Kind::of(&model.metadata("general.architecture"))?;
        // SAFETY: the model is loaded.
        let (count, embedding, state) = unsafe {
            let model = model.as_ptr();
            (sys::llama_model_n_layer_nextn(model), sys::llama_model_n_embd(model), sys::llama_model_n_embd_out(model))
        };
        let count = usize::try_from(count).ok().filter(|count| (1..=kind.most).contains(count))?;
        // llama.cpp takes a state to be as long as an embedding.
        if embedding != state || !kind.parts.iter().all(|part| has_part(model, part)) {
            return None;
        }
        let context = Context::of_heads(model, settings, abort)?;
        let mut error = ErrorSlot::new();
        // SAFETY: both contexts live, and belong to the same model.
        unsafe { shim::engawa_heads_join(target.as_ptr(), context.as_ptr(), error.as_out()) };
        error.check(()).ok()?;
        Some(Self { context, count, width: usize::try_from(state).unwrap_or(0) })
    }

    /// Lets `target` keep the states no more.
    pub(crate) fn leave(target: &mut Context<'_>) {
        // SAFETY: the context lives. It fails at nothing.
        unsafe { shim::engawa_heads_leave(target.as_ptr(), ErrorSlot::new().as_out()) };
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

fn has_part(model: &Model, part: &CStr) -> bool {
    let mut error = ErrorSlot::new();
    // SAFETY: the model is loaded and the name NUL-terminated.
    let has = unsafe { shim::engawa_heads_have(model.as_ptr(), part.as_ptr(), error.as_out()) };
    error.check(has).unwrap_or(false)
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

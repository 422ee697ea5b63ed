//! A context: the KV cache and the computation over it.

use std::ffi::c_void;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};

use engawa_engine_protocol::{FlashAttention, KvType, LoadSettings};
use llama_cpp_sys_2 as sys;

use super::batch::Batch;
use super::error::ErrorSlot;
use super::recent::Recent;
use super::{LlamaError, Model, Token, shim};

/// The most tokens that go through a model at once, and where a picture must not be cut.
const LARGEST_UBATCH: u32 = 512;
const WHOLE_PICTURE: u32 = 1280;
/// The same for heads: there is room for the scores of all words behind each token of a batch, and they need those of a few.
const HEADS_UBATCH: u32 = 64;

/// Sequences that a context keeps apart: conversations that are written at once, and others that wait in its cache.
pub(crate) const SEQUENCES: u16 = 8;

/// Without what an attention keeps of each token.
const PARTIAL: sys::llama_state_seq_flags = 1;

/// How to make a context.
#[derive(Clone, Copy)]
pub(crate) struct ContextSettings {
    pub(crate) n_ctx: u32,
    pub(crate) n_batch: u32,
    pub(crate) n_threads: u32,
    pub(crate) type_k: KvType,
    pub(crate) type_v: KvType,
    pub(crate) flash_attention: FlashAttention,
    /// Vectors instead of scores for the next token, pooled in llama.cpp's way of this number; `None` for replies.
    pub(crate) pooling: Option<i32>,
    /// Whether pictures go through the model in one piece.
    pub(crate) whole_pictures: bool,
    /// The last tokens that a recurrent model can take back; its state behind each of them is kept.
    pub(crate) rollback: u32,
}

impl ContextSettings {
    /// Lets pictures go through the model in one piece.
    pub(crate) fn with_whole_pictures(self) -> Self {
        let n_batch = self.n_batch.max(WHOLE_PICTURE.min(self.n_ctx.max(32)));
        Self { n_batch, whole_pictures: true, ..self }
    }

    /// Takes the parts of the settings that concern the context. `n_threads` is resolved.
    pub(crate) fn new(settings: &LoadSettings, n_ctx: u32, n_threads: u32) -> Self {
        Self {
            n_ctx,
            n_batch: settings.n_batch.clamp(32, 16_384).min(n_ctx.max(32)),
            n_threads,
            type_k: settings.type_k,
            type_v: settings.type_v,
            flash_attention: settings.flash_attention,
            pooling: None,
            whole_pictures: false,
            rollback: 0,
        }
    }

    pub(super) fn to_params(self) -> sys::llama_context_params {
        // SAFETY: returns a plain value.
        let mut params = unsafe { sys::llama_context_default_params() };
        let largest = if self.whole_pictures { WHOLE_PICTURE } else { LARGEST_UBATCH };
        // llama.cpp makes no batch larger than the context that was asked for.
        params.n_ctx = self.n_ctx.max(self.n_batch);
        params.n_batch = self.n_batch;
        params.n_ubatch = self.n_batch.min(largest);
        params.n_seq_max = u32::from(SEQUENCES);
        params.n_rs_seq = self.rollback;
        // All sequences share the cells: one may have all of them, and a common beginning is kept once.
        params.kv_unified = true;
        params.n_threads = i32::try_from(self.n_threads).unwrap_or(1);
        params.n_threads_batch = params.n_threads;
        params.type_k = ggml_type(self.type_k);
        params.type_v = ggml_type(self.type_v);
        params.flash_attn_type = match self.flash_attention {
            FlashAttention::Auto => sys::LLAMA_FLASH_ATTN_TYPE_AUTO,
            FlashAttention::On => sys::LLAMA_FLASH_ATTN_TYPE_ENABLED,
            FlashAttention::Off => sys::LLAMA_FLASH_ATTN_TYPE_DISABLED,
        };
        params.no_perf = true;
        if let Some(pooling) = self.pooling {
            params.embeddings = true;
            params.pooling_type = pooling;
            // An encoder computes a text at once.
            params.n_ubatch = self.n_batch;
        }
        params
    }
}

fn ggml_type(kv_type: KvType) -> sys::ggml_type {
    match kv_type {
        KvType::F16 => sys::GGML_TYPE_F16,
        KvType::Q8_0 => sys::GGML_TYPE_Q8_0,
        KvType::Q4_0 => sys::GGML_TYPE_Q4_0,
    }
}

/// What a batch came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DecodeOutcome {
    /// All tokens are in the cache, and the logits that were asked for are ready.
    Done,
    /// There is no room for the batch.
    CacheFull,
    /// The abort flag was set; some of the tokens may be in the cache.
    Aborted,
    /// llama.cpp's own status.
    Failed(i32),
}

/// Names one of a context's sequences, 0..[`SEQUENCES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SequenceIndex(pub(crate) u16);

impl SequenceIndex {
    pub(super) fn raw(self) -> sys::llama_seq_id {
        sys::llama_seq_id::from(self.0)
    }
}

/// Names the logits behind one token of the last batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row(pub(super) i32);

/// One KV cache over a model, shared by some sequences, and the batch that is computed next.
pub(crate) struct Context<'model> {
    pointer: NonNull<sys::llama_context>,
    batch: Batch,
    /// Whether the model's state is one of all tokens together, also beside an attention: it can't forget a part.
    is_recurrent: bool,
    /// What a recurrent model can take back of each sequence; empty where it can't.
    recent: Vec<Recent>,
    model: PhantomData<&'model Model>,
    // The abort callback points at it: it lives as long as the context.
    _abort: &'static AtomicBool,
}

impl<'model> Context<'model> {
    /// Makes a context; `None` when llama.cpp refuses, most often for lack of memory. Its log says why.
    ///
    /// While `abort` is true, a running [`Context::decode`] on the CPU ends within a few milliseconds.
    pub(crate) fn new(model: &'model Model, settings: ContextSettings, abort: &'static AtomicBool) -> Option<Self> {
        Self::with_params(model, settings, settings.to_params(), abort)
    }

    /// As [`Context::new`], over the heads of the model that guess further tokens. Their attention is never recurrent.
    pub(super) fn of_heads(
        model: &'model Model,
        settings: ContextSettings,
        abort: &'static AtomicBool,
    ) -> Option<Self> {
        let mut params = settings.to_params();
        params.ctx_type = sys::LLAMA_CONTEXT_TYPE_MTP;
        params.n_rs_seq = 0;
        params.n_ubatch = params.n_ubatch.min(HEADS_UBATCH);
        let mut context = Self::with_params(model, settings, params, abort)?;
        context.is_recurrent = false;
        context.recent.clear();
        Some(context)
    }

    fn with_params(
        model: &'model Model,
        settings: ContextSettings,
        mut params: sys::llama_context_params,
        abort: &'static AtomicBool,
    ) -> Option<Self> {
        params.abort_callback = Some(read_flag);
        params.abort_callback_data = std::ptr::from_ref(abort).cast_mut().cast();
        // SAFETY: the model is loaded and outlives the context by its lifetime; the flag is static.
        let pointer = NonNull::new(unsafe { sys::llama_init_from_model(model.as_ptr(), params) })?;
        let batch = Batch::new(settings.n_batch);
        let is_recurrent = model.is_recurrent();
        // SAFETY: the context was just made.
        let can_take_back = is_recurrent && unsafe { sys::llama_n_rs_seq(pointer.as_ptr()) } > 0;
        let recent = vec![Recent::default(); if can_take_back { usize::from(SEQUENCES) } else { 0 }];
        Some(Self { pointer, batch, is_recurrent, recent, model: PhantomData, _abort: abort })
    }

    pub(super) fn as_ptr(&self) -> *mut sys::llama_context {
        self.pointer.as_ptr()
    }

    /// Tokens that the context holds.
    pub(crate) fn size(&self) -> u32 {
        // SAFETY: the context lives.
        unsafe { sys::llama_n_ctx(self.as_ptr()) }
    }

    /// Tokens that one [`Context::decode`] takes at most.
    pub(crate) fn batch_size(&self) -> usize {
        self.batch.capacity
    }

    /// Tokens that go through the model in one piece.
    pub(crate) fn piece_size(&self) -> usize {
        // SAFETY: the context lives.
        unsafe { sys::llama_n_ubatch(self.as_ptr()) as usize }
    }

    /// Begins a new batch.
    pub(crate) fn clear_batch(&mut self) {
        self.batch.raw.n_tokens = 0;
    }

    /// Tokens that are in the batch.
    pub(crate) fn batch_length(&self) -> usize {
        usize::try_from(self.batch.raw.n_tokens).unwrap_or(0)
    }

    /// Adds tokens of a sequence to the batch, the first of them at `position`. There is a row behind each of the last
    /// `rows` tokens that can be sampled after [`Context::decode`]. A batch holds [`Context::batch_size`] tokens.
    pub(crate) fn push(&mut self, tokens: &[Token], position: usize, sequence: SequenceIndex, rows: usize) -> Vec<Row> {
        self.batch.push(tokens, position, sequence, rows)
    }

    /// Sets how many threads compute batches of one token; larger ones keep those of the settings.
    pub(crate) fn set_threads(&mut self, threads: u32) {
        let threads = i32::try_from(threads).unwrap_or(1);
        // SAFETY: the context lives.
        unsafe { sys::llama_set_n_threads(self.as_ptr(), threads, sys::llama_n_threads_batch(self.as_ptr())) };
    }

    /// Computes the batch. After anything but [`DecodeOutcome::Done`], a part of it may be in the cache.
    pub(crate) fn decode(&mut self) -> DecodeOutcome {
        let mut error = ErrorSlot::new();
        // SAFETY: the batch's arrays hold `n_tokens` values each, and n_tokens is at most n_batch.
        let status = unsafe { shim::engawa_decode(self.as_ptr(), self.batch.raw, error.as_out()) };
        let outcome = outcome_of(&error.check(status));
        self.note_decoded(outcome);
        outcome
    }

    fn note_decoded(&mut self, outcome: DecodeOutcome) {
        let most = self.rollback();
        let counts: Vec<usize> = (0..SEQUENCES).map(|sequence| self.batch.tokens_of(SequenceIndex(sequence))).collect();
        let is_alone = counts.iter().filter(|&&computed| computed > 0).count() == 1;
        for (recent, computed) in self.recent.iter_mut().zip(counts) {
            recent.note(outcome, computed, if is_alone { most } else { 0 });
        }
    }

    /// As after a batch of the sequence alone, of which nothing can be taken back.
    pub(super) fn note_read(&mut self, sequence: SequenceIndex, outcome: DecodeOutcome) {
        for (index, recent) in (0..).zip(&mut self.recent) {
            recent.note(outcome, usize::from(index == sequence.0), 0);
        }
    }

    /// The last tokens of a batch that a recurrent model can take back, at most.
    pub(crate) fn rollback(&self) -> usize {
        // SAFETY: the context lives.
        if self.recent.is_empty() { 0 } else { unsafe { sys::llama_n_rs_seq(self.as_ptr()) as usize } }
    }

    /// Whether drafted tokens can be taken back: all of them, at most `rollback` or none.
    pub(crate) fn longest_draft(&self) -> usize {
        if self.is_recurrent { self.rollback() } else { usize::MAX }
    }

    fn forget_recent(&mut self, sequence: SequenceIndex) {
        if let Some(recent) = self.recent.get_mut(usize::from(sequence.0)) {
            *recent = Recent::default();
        }
    }

    /// Puts the state that a sequence went back to where others look for it.
    fn settle(&mut self, sequence: SequenceIndex) {
        if self.recent.get(usize::from(sequence.0)).is_some_and(|recent| recent.is_pending) {
            let state = self.snapshot(sequence);
            self.set_partial(sequence, &state);
        }
    }

    /// The scores of all tokens behind a row of the last batch, `[n_vocab]`.
    pub(crate) fn logits(&self, row: Row) -> &[f32] {
        // SAFETY: the context lives and the row has logits, one for each token; the next batch needs the context mutably.
        unsafe {
            let vocabulary = sys::llama_model_get_vocab(sys::llama_get_model(self.as_ptr()));
            let length = usize::try_from(sys::llama_vocab_n_tokens(vocabulary)).unwrap_or(0);
            let logits = sys::llama_get_logits_ith(self.as_ptr(), row.0);
            if logits.is_null() { &[] } else { std::slice::from_raw_parts(logits, length) }
        }
    }

    /// Whether the model can forget a part of a sequence only by going back to a [`Context::snapshot`].
    pub(crate) fn needs_snapshots(&self) -> bool {
        self.is_recurrent
    }

    /// The vector of a sequence of the last batch, `[n_embd]`; empty where there is none.
    pub(crate) fn pooled(&self, sequence: SequenceIndex) -> &[f32] {
        // SAFETY: the context lives, and llama.cpp gives what it computed for the sequence, or null; the next batch needs
        // the context mutably.
        unsafe {
            let model = sys::llama_get_model(self.as_ptr());
            let is_rank = sys::llama_pooling_type(self.as_ptr()) == sys::LLAMA_POOLING_TYPE_RANK;
            let length = if is_rank {
                sys::llama_model_n_cls_out(model) as usize
            } else {
                usize::try_from(sys::llama_model_n_embd_out(model)).unwrap_or(0)
            };
            let vector = sys::llama_get_embeddings_seq(self.as_ptr(), sequence.raw());
            if vector.is_null() { &[] } else { std::slice::from_raw_parts(vector, length) }
        }
    }

    /// Forgets a sequence's tokens from `position` on. False when the model can't; then the sequence has to be cleared.
    pub(crate) fn truncate(&mut self, sequence: SequenceIndex, position: usize) -> bool {
        if position == 0 {
            self.forget_recent(sequence);
        } else if !self.recent.is_empty() {
            let back = self.length(sequence).saturating_sub(position);
            let recent = &mut self.recent[usize::from(sequence.0)];
            // llama.cpp would go further back, to states of other tokens.
            if recent.is_lost || back > recent.tokens {
                return false;
            }
            if back > 0 {
                *recent = Recent { tokens: 0, is_pending: true, is_lost: false };
            }
        }
        // A sliding window has dropped what lies behind it: the cut is accepted and the result would be wrong.
        self.remove_from(sequence, position) && (position == 0 || self.is_recurrent || self.begins_at_zero(sequence))
    }

    /// As [`Context::truncate`], of a sequence that may lack its beginning.
    pub(super) fn remove_from(&mut self, sequence: SequenceIndex, position: usize) -> bool {
        let position = i32::try_from(position).unwrap_or(i32::MAX);
        // SAFETY: the context lives, and its memory with it; the sequence is one of its own.
        unsafe { sys::llama_memory_seq_rm(sys::llama_get_memory(self.as_ptr()), sequence.raw(), position, -1) }
    }

    /// Forgets all of a sequence.
    pub(crate) fn clear(&mut self, sequence: SequenceIndex) {
        self.forget_recent(sequence);
        // SAFETY: the context lives, and its memory with it; the sequence is one of its own.
        unsafe { sys::llama_memory_seq_rm(sys::llama_get_memory(self.as_ptr()), sequence.raw(), -1, -1) };
    }

    /// Makes `to` begin with the first `length` tokens of `from`, without copying what both then share. False when the
    /// model can't: `to` is empty then. A recurrent state is that behind all of `from`; see [`Context::go_back`].
    pub(crate) fn share(&mut self, from: SequenceIndex, to: SequenceIndex, length: usize) -> bool {
        self.copy(from, to, length);
        // A sliding window lacks the beginning.
        let whole = self.is_recurrent || (self.begins_at_zero(to) && self.length(to) == length);
        if !whole {
            self.clear(to);
        }
        whole
    }

    /// Makes `to` what `from` has in front of a position.
    pub(super) fn copy(&mut self, from: SequenceIndex, to: SequenceIndex, position: usize) {
        let end = i32::try_from(position).unwrap_or(i32::MAX);
        self.settle(from);
        // What both have must not be taken back from one of them.
        self.forget_recent(from);
        self.clear(to);
        // SAFETY: the context lives, and its memory with it; both sequences are its own.
        unsafe { sys::llama_memory_seq_cp(sys::llama_get_memory(self.as_ptr()), from.raw(), to.raw(), 0, end) };
    }

    fn begins_at_zero(&self, sequence: SequenceIndex) -> bool {
        // SAFETY: the context lives, and its memory with it; the sequence is one of its own.
        unsafe { sys::llama_memory_seq_pos_min(sys::llama_get_memory(self.as_ptr()), sequence.raw()) == 0 }
    }

    /// The tokens of a sequence.
    fn length(&self, sequence: SequenceIndex) -> usize {
        // SAFETY: the context lives, and its memory with it; the sequence is one of its own.
        let last = unsafe { sys::llama_memory_seq_pos_max(sys::llama_get_memory(self.as_ptr()), sequence.raw()) };
        usize::try_from(last + 1).unwrap_or(0)
    }

    /// Bytes of what [`Context::snapshot`] gives.
    pub(crate) fn snapshot_size(&self, sequence: SequenceIndex) -> usize {
        // SAFETY: the context lives, and the sequence is one of its own.
        unsafe { sys::llama_state_seq_get_size_ext(self.as_ptr(), sequence.raw(), PARTIAL) }
    }

    /// The recurrent part of a sequence's state, to go back to.
    pub(crate) fn snapshot(&mut self, sequence: SequenceIndex) -> Vec<u8> {
        let mut state = vec![0; self.snapshot_size(sequence)];
        // SAFETY: the context lives, and the buffer has the size that llama.cpp named.
        unsafe {
            let (data, length) = (state.as_mut_ptr(), state.len());
            let written = sys::llama_state_seq_get_data_ext(self.as_ptr(), data, length, sequence.raw(), PARTIAL);
            state.truncate(written);
        }
        state
    }

    /// Makes a sequence what it was at a snapshot, `length` tokens long; what else it has must be those tokens and more.
    /// False when that can't be: the sequence is empty then.
    pub(crate) fn go_back(&mut self, sequence: SequenceIndex, snapshot: &[u8], length: usize) -> bool {
        let is_back =
            self.set_partial(sequence, snapshot) && self.truncate(sequence, length) && self.length(sequence) == length;
        if !is_back {
            self.clear(sequence);
        }
        is_back
    }

    /// Takes a snapshot of this context as a sequence's recurrent state.
    fn set_partial(&mut self, sequence: SequenceIndex, snapshot: &[u8]) -> bool {
        self.forget_recent(sequence);
        // SAFETY: the context lives; the snapshot is `len` bytes long and this context's own, so it is whole.
        let read = unsafe {
            let (data, length) = (snapshot.as_ptr(), snapshot.len());
            sys::llama_state_seq_set_data_ext(self.as_ptr(), data, length, sequence.raw(), PARTIAL)
        };
        read == snapshot.len()
    }

    /// Bytes of what [`Context::save`] gives.
    pub(crate) fn state_size(&self, sequence: SequenceIndex) -> usize {
        // SAFETY: the context lives, and the sequence is one of its own.
        unsafe { sys::llama_state_seq_get_size(self.as_ptr(), sequence.raw()) }
    }

    /// A sequence's state, as [`Context::restore`] takes it.
    pub(crate) fn save(&mut self, sequence: SequenceIndex) -> Vec<u8> {
        let mut state = vec![0; self.state_size(sequence)];
        // SAFETY: the context lives, and the buffer has the size that llama.cpp named.
        unsafe {
            let written = sys::llama_state_seq_get_data(self.as_ptr(), state.as_mut_ptr(), state.len(), sequence.raw());
            state.truncate(written);
            state
        }
    }

    /// Makes a sequence what [`Context::save`] gave, `length` tokens long. False when there is no room or the state does
    /// not fit the model: the sequence is empty then. The state must be whole: llama.cpp ends the process otherwise.
    pub(crate) fn restore(&mut self, sequence: SequenceIndex, state: &[u8], length: usize) -> bool {
        self.forget_recent(sequence);
        // SAFETY: the context lives, and its memory with it; the state is `len` bytes long.
        let read = unsafe { sys::llama_state_seq_set_data(self.as_ptr(), state.as_ptr(), state.len(), sequence.raw()) };
        let whole = read == state.len() && self.length(sequence) == length;
        if !whole {
            self.clear(sequence);
        }
        whole
    }

    /// Computes once without a trace, so that the first reply does not pay for it.
    pub(crate) fn warm_up(&mut self, token: Token) -> DecodeOutcome {
        // SAFETY: the context lives.
        unsafe { sys::llama_set_warmup(self.as_ptr(), true) };
        self.clear_batch();
        self.push(&[token], 0, SequenceIndex(0), 1);
        let outcome = self.decode();
        // SAFETY: as above.
        unsafe {
            sys::llama_memory_clear(sys::llama_get_memory(self.as_ptr()), true);
            sys::llama_synchronize(self.as_ptr());
            sys::llama_set_warmup(self.as_ptr(), false);
        }
        for recent in &mut self.recent {
            *recent = Recent::default();
        }
        outcome
    }
}

impl Drop for Context<'_> {
    fn drop(&mut self) {
        // SAFETY: nobody else holds the pointer.
        unsafe { sys::llama_free(self.as_ptr()) }
    }
}

/// What a status of `llama_decode` means.
pub(super) fn outcome_of(status: &Result<i32, LlamaError>) -> DecodeOutcome {
    match *status {
        Ok(0) => DecodeOutcome::Done,
        Ok(1) => DecodeOutcome::CacheFull,
        Ok(2) => DecodeOutcome::Aborted,
        Ok(status) => DecodeOutcome::Failed(status),
        Err(_) => DecodeOutcome::Failed(-1),
    }
}

unsafe extern "C" fn read_flag(flag: *mut c_void) -> bool {
    // SAFETY: `flag` is the static AtomicBool that `Context::new` was given.
    unsafe { &*flag.cast::<AtomicBool>() }.load(Ordering::Relaxed)
}

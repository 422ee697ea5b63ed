//! A context: the KV cache and the computation over it.

use std::ffi::c_void;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};

use engawa_engine_protocol::{FlashAttention, KvType, LoadSettings};
use llama_cpp_sys_2 as sys;

use super::error::ErrorSlot;
use super::{Model, Token, shim};

/// How to make a context.
#[derive(Clone, Copy)]
pub(crate) struct ContextSettings {
    pub(crate) n_ctx: u32,
    pub(crate) n_batch: u32,
    pub(crate) n_threads: u32,
    pub(crate) type_k: KvType,
    pub(crate) type_v: KvType,
    pub(crate) flash_attention: FlashAttention,
}

impl ContextSettings {
    /// Takes the parts of the settings that concern the context. `n_threads` is resolved.
    pub(crate) fn new(settings: &LoadSettings, n_ctx: u32, n_threads: u32) -> Self {
        Self {
            n_ctx,
            n_batch: settings.n_batch.clamp(32, 16_384).min(n_ctx.max(32)),
            n_threads,
            type_k: settings.type_k,
            type_v: settings.type_v,
            flash_attention: settings.flash_attention,
        }
    }

    pub(super) fn to_params(self) -> sys::llama_context_params {
        // SAFETY: returns a plain value.
        let mut params = unsafe { sys::llama_context_default_params() };
        // llama.cpp makes no batch larger than the context that was asked for.
        params.n_ctx = self.n_ctx.max(self.n_batch);
        params.n_batch = self.n_batch;
        params.n_ubatch = self.n_batch.min(512);
        params.n_seq_max = 1;
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
    /// All tokens are in the cache, and the logits of the last one are ready.
    Done,
    /// There is no room for the batch.
    CacheFull,
    /// The abort flag was set; some of the tokens may be in the cache.
    Aborted,
    /// llama.cpp's own status.
    Failed(i32),
}

/// One KV cache over a model, with one sequence.
pub(crate) struct Context<'model> {
    pointer: NonNull<sys::llama_context>,
    batch: Batch,
    model: PhantomData<&'model Model>,
    // The abort callback points at it: it lives as long as the context.
    _abort: &'static AtomicBool,
}

impl<'model> Context<'model> {
    /// Makes a context; `None` when llama.cpp refuses, most often for lack of memory. Its log says why.
    ///
    /// While `abort` is true, a running [`Context::decode`] on the CPU ends within a few milliseconds.
    pub(crate) fn new(model: &'model Model, settings: ContextSettings, abort: &'static AtomicBool) -> Option<Self> {
        let mut params = settings.to_params();
        params.abort_callback = Some(read_flag);
        params.abort_callback_data = std::ptr::from_ref(abort).cast_mut().cast();
        // SAFETY: the model is loaded and outlives the context by its lifetime; the flag is static.
        let pointer = NonNull::new(unsafe { sys::llama_init_from_model(model.as_ptr(), params) })?;
        let batch = Batch::new(settings.n_batch);
        Some(Self { pointer, batch, model: PhantomData, _abort: abort })
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

    /// Appends tokens at `position` and computes the logits of the last one. At most [`Context::batch_size`] tokens.
    pub(crate) fn decode(&mut self, tokens: &[Token], position: usize) -> DecodeOutcome {
        self.batch.fill(tokens, position);
        let mut error = ErrorSlot::new();
        // SAFETY: the batch's arrays hold `n_tokens` values each, and n_tokens is at most n_batch.
        let status = unsafe { shim::engawa_decode(self.as_ptr(), self.batch.raw, error.as_out()) };
        match error.check(status) {
            Ok(0) => DecodeOutcome::Done,
            Ok(1) => DecodeOutcome::CacheFull,
            Ok(2) => DecodeOutcome::Aborted,
            Ok(status) => DecodeOutcome::Failed(status),
            Err(_) => DecodeOutcome::Failed(-1),
        }
    }

    /// Forgets the tokens from `position` on. False when the model can't: everything is forgotten then.
    pub(crate) fn truncate(&mut self, position: usize) -> bool {
        let position = i32::try_from(position).unwrap_or(i32::MAX);
        // SAFETY: the context lives, and its memory with it.
        unsafe {
            let memory = sys::llama_get_memory(self.as_ptr());
            // A sliding window has dropped what lies behind it: the cut is accepted and the result would be wrong.
            let cut = sys::llama_memory_seq_rm(memory, 0, position, -1)
                && (position == 0 || sys::llama_memory_seq_pos_min(memory, 0) == 0);
            if !cut {
                sys::llama_memory_clear(memory, true);
            }
            cut
        }
    }

    /// Computes once without a trace, so that the first reply does not pay for it.
    pub(crate) fn warm_up(&mut self, token: Token) {
        // SAFETY: the context lives.
        unsafe { sys::llama_set_warmup(self.as_ptr(), true) };
        self.decode(&[token], 0);
        // SAFETY: as above.
        unsafe {
            sys::llama_memory_clear(sys::llama_get_memory(self.as_ptr()), true);
            sys::llama_synchronize(self.as_ptr());
            sys::llama_set_warmup(self.as_ptr(), false);
        }
    }
}

impl Drop for Context<'_> {
    fn drop(&mut self) {
        // SAFETY: nobody else holds the pointer.
        unsafe { sys::llama_free(self.as_ptr()) }
    }
}

unsafe extern "C" fn read_flag(flag: *mut c_void) -> bool {
    // SAFETY: `flag` is the static AtomicBool that `Context::new` was given.
    unsafe { &*flag.cast::<AtomicBool>() }.load(Ordering::Relaxed)
}

/// A batch for one sequence; its arrays are llama.cpp's.
struct Batch {
    raw: sys::llama_batch,
    capacity: usize,
}

impl Batch {
    fn new(capacity: u32) -> Self {
        // SAFETY: allocates `capacity` tokens with one sequence each.
        let raw = unsafe { sys::llama_batch_init(i32::try_from(capacity).unwrap_or(i32::MAX), 0, 1) };
        Self { raw, capacity: capacity as usize }
    }

    fn fill(&mut self, tokens: &[Token], position: usize) {
        assert!(tokens.len() <= self.capacity, "a caller splits prompts by batch_size");
        for (index, &token) in tokens.iter().enumerate() {
            let is_last = index + 1 == tokens.len();
            // SAFETY: index < capacity, and each array has that many values; each seq_id list has one.
            unsafe {
                *self.raw.token.add(index) = token;
                *self.raw.pos.add(index) = i32::try_from(position + index).unwrap_or(i32::MAX);
                *self.raw.n_seq_id.add(index) = 1;
                **self.raw.seq_id.add(index) = 0;
                *self.raw.logits.add(index) = i8::from(is_last);
            }
        }
        self.raw.n_tokens = i32::try_from(tokens.len()).unwrap_or(0);
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        // SAFETY: made by llama_batch_init, freed once.
        unsafe { sys::llama_batch_free(self.raw) }
    }
}

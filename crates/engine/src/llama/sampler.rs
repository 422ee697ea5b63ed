//! Choosing the next token.

use std::marker::PhantomData;
use std::ptr::NonNull;

use engawa_engine_protocol::Sampling;

use super::error::ErrorSlot;
use super::{Context, LlamaError, Model, Row, Token, shim};

/// llama.cpp's `common_sampler`, which checks a grammar on the chosen token and chooses again instead of aborting.
pub(crate) struct Sampler<'model> {
    pointer: NonNull<shim::Sampler>,
    model: PhantomData<&'model Model>,
}

impl<'model> Sampler<'model> {
    /// Makes a sampler. `n_ctx` is what a penalty window of -1 means, `seed` what it draws from.
    ///
    /// # Errors
    /// llama.cpp's words for values that it can't use.
    pub(crate) fn new(model: &'model Model, sampling: &Sampling, n_ctx: u32, seed: u32) -> Result<Self, LlamaError> {
        let repeat_last_n = match sampling.repeat_last_n {
            -1 => i32::try_from(n_ctx).unwrap_or(i32::MAX),
            window => window.max(0),
        };
        let sampling = shim::Sampling {
            temperature: sampling.temperature,
            top_k: sampling.top_k,
            top_p: sampling.top_p,
            min_p: sampling.min_p,
            typical_p: sampling.typical_p,
            repeat_penalty: sampling.repeat_penalty,
            frequency_penalty: sampling.frequency_penalty,
            presence_penalty: sampling.presence_penalty,
            repeat_last_n,
            seed,
        };
        let mut error = ErrorSlot::new();
        // SAFETY: the model is loaded and outlives the sampler by its lifetime.
        let pointer = unsafe { shim::engawa_sampler_new(model.as_ptr(), sampling, error.as_out()) };
        let pointer = error.check(pointer)?;
        let pointer = NonNull::new(pointer).ok_or_else(|| LlamaError("no sampler".into()))?;
        Ok(Self { pointer, model: PhantomData })
    }

    /// Takes a token that is already in the context into account, for the penalties.
    pub(crate) fn accept(&mut self, token: Token) -> Result<(), LlamaError> {
        let mut error = ErrorSlot::new();
        // SAFETY: the sampler lives.
        unsafe { shim::engawa_sampler_accept(self.pointer.as_ptr(), token, error.as_out()) };
        error.check(())
    }

    /// Chooses the token behind a row of the last batch, and takes it into account.
    pub(crate) fn sample(&mut self, context: &Context<'_>, row: Row) -> Result<Token, LlamaError> {
        let mut error = ErrorSlot::new();
        // SAFETY: sampler and context live, and a row has logits.
        let token =
            unsafe { shim::engawa_sampler_sample(self.pointer.as_ptr(), context.as_ptr(), row.0, error.as_out()) };
        error.check(token)
    }
}

impl Drop for Sampler<'_> {
    fn drop(&mut self) {
        // SAFETY: nobody else holds the pointer.
        unsafe { shim::engawa_sampler_free(self.pointer.as_ptr()) }
    }
}

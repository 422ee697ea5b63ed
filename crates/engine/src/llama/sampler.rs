//! Choosing the next token.

use std::ffi::CString;
use std::marker::PhantomData;
use std::ptr::NonNull;

use engawa_engine_protocol::{Decoding, Mirostat, Sampling};
use serde_json::{Value, json};

use super::error::ErrorSlot;
use super::{Context, LlamaError, Model, Row, Token, shim};

/// llama.cpp's `common_sampler`, which checks a grammar on the chosen token and chooses again instead of aborting.
pub(crate) struct Sampler<'model> {
    pointer: NonNull<shim::Sampler>,
    model: PhantomData<&'model Model>,
}

impl<'model> Sampler<'model> {
    /// Makes a sampler. `grammar` is that of [`super::AppliedTemplate`], `n_ctx` what a window of -1 means, `seed` what it
    /// draws from.
    ///
    /// # Errors
    /// llama.cpp's words for values that it can't use.
    pub(crate) fn new(
        model: &'model Model,
        sampling: &Sampling,
        decoding: &Decoding,
        grammar: Option<&Value>,
        n_ctx: u32,
        seed: u32,
    ) -> Result<Self, LlamaError> {
        let context = i32::try_from(n_ctx).unwrap_or(i32::MAX);
        let window = |tokens: i32| if tokens == -1 { context } else { tokens.clamp(0, context) };
        let Decoding { samplers, dry_sequence_breakers, logit_bias, .. } = decoding;
        let decoding = json!({
            "samplers": samplers, "dry_sequence_breakers": dry_sequence_breakers, "logit_bias": logit_bias,
            "grammar": grammar,
        });
        let decoding = CString::new(decoding.to_string()).map_err(|error| LlamaError(error.to_string()))?;
        let sampling = shim::Sampling {
            temperature: sampling.temperature,
            top_k: sampling.top_k,
            top_p: sampling.top_p,
            min_p: sampling.min_p,
            typical_p: sampling.typical_p,
            repeat_penalty: sampling.repeat_penalty,
            frequency_penalty: sampling.frequency_penalty,
            presence_penalty: sampling.presence_penalty,
            repeat_last_n: window(sampling.repeat_last_n),
            dynatemp_range: sampling.dynatemp_range,
            dynatemp_exponent: sampling.dynatemp_exponent,
            top_n_sigma: sampling.top_n_sigma,
            xtc_probability: sampling.xtc_probability,
            xtc_threshold: sampling.xtc_threshold,
            dry_multiplier: sampling.dry_multiplier,
            dry_base: sampling.dry_base,
            dry_allowed_length: sampling.dry_allowed_length,
            dry_penalty_last_n: window(sampling.dry_penalty_last_n),
            mirostat: match sampling.mirostat {
                Mirostat::Off => 0,
                Mirostat::V1 => 1,
                Mirostat::V2 => 2,
            },
            mirostat_tau: sampling.mirostat_tau,
            mirostat_eta: sampling.mirostat_eta,
            adaptive_target: sampling.adaptive_target,
            adaptive_decay: sampling.adaptive_decay,
            seed,
        };
        let mut error = ErrorSlot::new();
        // SAFETY: the model is loaded and outlives the sampler by its lifetime; `decoding` is NUL-terminated.
        let pointer = unsafe { shim::engawa_sampler_new(model.as_ptr(), sampling, decoding.as_ptr(), error.as_out()) };
        let pointer = error.check(pointer)?;
        let pointer = NonNull::new(pointer).ok_or_else(|| LlamaError("no sampler".into()))?;
        Ok(Self { pointer, model: PhantomData })
    }

    /// Takes a token that is already in the context into account: for the penalties, and one of the reply for the grammar.
    ///
    /// # Errors
    /// What llama.cpp says of a token that the grammar does not allow.
    pub(crate) fn accept(&mut self, token: Token, is_of_reply: bool) -> Result<(), LlamaError> {
        let mut error = ErrorSlot::new();
        // SAFETY: the sampler lives.
        unsafe { shim::engawa_sampler_accept(self.pointer.as_ptr(), token, is_of_reply, error.as_out()) };
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

//! The declarations of `cpp/shim.h`.

use std::ffi::{c_char, c_void};

use llama_cpp_sys_2 as sys;

/// Opaque: `engawa_templates`.
pub(super) type Templates = c_void;
/// Opaque: `engawa_parser`.
pub(super) type Parser = c_void;
/// Opaque: `engawa_sampler`.
pub(super) type Sampler = c_void;

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Sampling {
    pub(super) temperature: f32,
    pub(super) top_k: i32,
    pub(super) top_p: f32,
    pub(super) min_p: f32,
    pub(super) typical_p: f32,
    pub(super) repeat_penalty: f32,
    pub(super) frequency_penalty: f32,
    pub(super) presence_penalty: f32,
    pub(super) repeat_last_n: i32,
    pub(super) dynatemp_range: f32,
    pub(super) dynatemp_exponent: f32,
    pub(super) top_n_sigma: f32,
    pub(super) xtc_probability: f32,
    pub(super) xtc_threshold: f32,
    pub(super) dry_multiplier: f32,
    pub(super) dry_base: f32,
    pub(super) dry_allowed_length: i32,
    pub(super) dry_penalty_last_n: i32,
    pub(super) mirostat: i32,
    pub(super) mirostat_tau: f32,
    pub(super) mirostat_eta: f32,
    pub(super) adaptive_target: f32,
    pub(super) adaptive_decay: f32,
    pub(super) seed: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Guess {
    pub(super) token: sys::llama_token,
    pub(super) position: sys::llama_pos,
    pub(super) sequence: sys::llama_seq_id,
    pub(super) wanted: bool,
}

unsafe extern "C" {
    pub(super) fn engawa_free(text: *mut c_char);
    pub(super) fn engawa_silence_common();

    pub(super) fn engawa_templates_new(
        model: *const sys::llama_model,
        source: *const c_char,
        error: *mut *mut c_char,
    ) -> *mut Templates;
    pub(super) fn engawa_templates_free(templates: *mut Templates);
    pub(super) fn engawa_templates_from_file(templates: *const Templates) -> bool;
    pub(super) fn engawa_templates_apply(
        templates: *const Templates,
        request: *const c_char,
        error: *mut *mut c_char,
    ) -> *mut c_char;

    pub(super) fn engawa_schema_to_grammar(schema: *const c_char, error: *mut *mut c_char) -> *mut c_char;

    pub(super) fn engawa_parser_new(applied: *const c_char, error: *mut *mut c_char) -> *mut Parser;
    pub(super) fn engawa_parser_free(parser: *mut Parser);
    pub(super) fn engawa_parser_push(
        parser: *mut Parser,
        text: *const c_char,
        length: usize,
        is_final: bool,
        reasoning: *mut *mut c_char,
        content: *mut *mut c_char,
        error: *mut *mut c_char,
    );
    pub(super) fn engawa_parser_tool_calls(parser: *const Parser, error: *mut *mut c_char) -> *mut c_char;

    pub(super) fn engawa_sampler_new(
        model: *const sys::llama_model,
        sampling: Sampling,
        decoding: *const c_char,
        error: *mut *mut c_char,
    ) -> *mut Sampler;
    pub(super) fn engawa_sampler_free(sampler: *mut Sampler);
    pub(super) fn engawa_sampler_accept(
        sampler: *mut Sampler,
        token: sys::llama_token,
        is_of_reply: bool,
        error: *mut *mut c_char,
    );
    pub(super) fn engawa_sampler_sample(
        sampler: *mut Sampler,
        context: *mut sys::llama_context,
        index: i32,
        error: *mut *mut c_char,
    ) -> sys::llama_token;

    pub(super) fn engawa_tokenize(
        vocabulary: *const sys::llama_vocab,
        text: *const c_char,
        length: i32,
        tokens: *mut sys::llama_token,
        capacity: i32,
        add_special: bool,
        parse_special: bool,
        error: *mut *mut c_char,
    ) -> i32;
    pub(super) fn engawa_token_to_piece(
        vocabulary: *const sys::llama_vocab,
        token: sys::llama_token,
        buffer: *mut c_char,
        capacity: i32,
        special: bool,
        error: *mut *mut c_char,
    ) -> i32;
    pub(super) fn engawa_decode(
        context: *mut sys::llama_context,
        batch: sys::llama_batch,
        error: *mut *mut c_char,
    ) -> i32;
    pub(super) fn engawa_projector_kinds(path: *const c_char, error: *mut *mut c_char) -> *mut c_char;
    pub(super) fn engawa_projector_fault(
        model: *const c_char,
        projector: *const c_char,
        error: *mut *mut c_char,
    ) -> *mut c_char;
    pub(super) fn engawa_media_chunks(
        projector: *const sys::mtmd_context,
        rgb: *const u8,
        width: u32,
        height: u32,
        samples: *const f32,
        n_samples: usize,
        error: *mut *mut c_char,
    ) -> *mut sys::mtmd_input_chunks;
    pub(super) fn engawa_chunk_copy(
        chunk: *const sys::mtmd_input_chunk,
        error: *mut *mut c_char,
    ) -> *mut sys::mtmd_input_chunk;
    pub(super) fn engawa_read_media(
        projector: *mut sys::mtmd_context,
        context: *mut sys::llama_context,
        chunk: *const sys::mtmd_input_chunk,
        numbers: *const f32,
        position: i32,
        sequence: i32,
        n_batch: i32,
        error: *mut *mut c_char,
    ) -> i32;

    pub(super) fn engawa_heads_architecture(path: *const c_char, error: *mut *mut c_char) -> *mut c_char;
    pub(super) fn engawa_heads_have(
        model: *const sys::llama_model,
        part: *const c_char,
        error: *mut *mut c_char,
    ) -> bool;
    pub(super) fn engawa_heads_leave(context: *mut sys::llama_context, error: *mut *mut c_char);
    pub(super) fn engawa_heads_join(
        context: *mut sys::llama_context,
        heads: *mut sys::llama_context,
        error: *mut *mut c_char,
    );
    pub(super) fn engawa_heads_state(
        context: *mut sys::llama_context,
        index: i32,
        error: *mut *mut c_char,
    ) -> *const f32;
    pub(super) fn engawa_heads_decode(
        heads: *mut sys::llama_context,
        head: i32,
        guesses: *const Guess,
        states: *const f32,
        n_guesses: usize,
        error: *mut *mut c_char,
    ) -> i32;

    pub(super) fn engawa_adapter_fault(
        model: *const c_char,
        adapter: *const c_char,
        error: *mut *mut c_char,
    ) -> *mut c_char;
    pub(super) fn engawa_can_draft(
        model: *const sys::llama_model,
        draft: *const sys::llama_model,
        error: *mut *mut c_char,
    ) -> bool;
    pub(super) fn engawa_memory_use(
        path: *const c_char,
        model_params: *const sys::llama_model_params,
        context_params: *const sys::llama_context_params,
        error: *mut *mut c_char,
    ) -> *mut c_char;
    pub(super) fn engawa_fit(
        path: *const c_char,
        model_params: *mut sys::llama_model_params,
        context_params: *mut sys::llama_context_params,
        draft_path: *const c_char,
        draft_params: *const sys::llama_model_params,
        tensor_split: *mut f32,
        overrides: *mut sys::llama_model_tensor_buft_override,
        margin: usize,
        error: *mut *mut c_char,
    ) -> bool;
}

// The C boundary of crates/engine/cpp: llama.cpp's `common` library (chat templates, reply parsing, sampling, memory
// estimates) and the few llama.h calls that can throw, with every C++ exception turned into an error text.
//
// Strings that a function returns, `error` included, are freed with `engawa_free`. A null `error` means success.
#pragma once

#include "llama.h"
#include "mtmd.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct engawa_templates;
struct engawa_parser;
struct engawa_sampler;

void engawa_free(char * text);

// Ends the log lines of `common`, which may quote what was said; those of llama.cpp and ggml are not concerned.
void engawa_silence_common(void);

// ---- chat templates ----

// `source` empty: the template in the model's file, or ChatML when it has none.
struct engawa_templates * engawa_templates_new(const struct llama_model * model, const char * source, char ** error);
void                      engawa_templates_free(struct engawa_templates * templates);
// Whether the model's file has a template of its own.
bool engawa_templates_from_file(const struct engawa_templates * templates);
// `request`: {"messages": [...], "tools": [...], "grammar": "...", "json_schema": "..."}; all but the messages may be
// absent. Returns what the template made of it, as JSON;
// the same text is the description that `engawa_parser_new` takes.
char * engawa_templates_apply(const struct engawa_templates * templates, const char * request, char ** error);

// A JSON schema as a grammar.
char * engawa_schema_to_grammar(const char * schema, char ** error);

// ---- the reply, parsed while it is written ----

struct engawa_parser * engawa_parser_new(const char * applied, char ** error);
void                   engawa_parser_free(struct engawa_parser * parser);
// Appends text (UTF-8, whole characters) and gives what it adds to the thinking and to the reply.
void engawa_parser_push(struct engawa_parser * parser, const char * text, size_t length, bool is_final, char ** reasoning,
                        char ** content, char ** error);
// The calls of tools in the text so far, as JSON: [{"id": "", "name": "…", "arguments": "{…}"}].
char * engawa_parser_tool_calls(const struct engawa_parser * parser, char ** error);

// ---- sampling ----

struct engawa_sampling {
    float    temperature;
    int32_t  top_k;
    float    top_p;
    float    min_p;
    float    typical_p;
    float    repeat_penalty;
    float    frequency_penalty;
    float    presence_penalty;
    int32_t  repeat_last_n;
    float    dynatemp_range;
    float    dynatemp_exponent;
    float    top_n_sigma;
    float    xtc_probability;
    float    xtc_threshold;
    float    dry_multiplier;
    float    dry_base;
    int32_t  dry_allowed_length;
    int32_t  dry_penalty_last_n;
    int32_t  mirostat;
    float    mirostat_tau;
    float    mirostat_eta;
    float    adaptive_target;
    float    adaptive_decay;
    uint32_t seed;
};

// `decoding`: {"samplers": ["top_k", ...], "dry_sequence_breakers": [...], "logit_bias": [{"token": 1, "bias": 2.0}, ...],
// "grammar": {...}}; empty lists are llama.cpp's defaults, a null bias bans. "grammar" may be null, or is what
// `engawa_templates_apply` gave under that name.
struct engawa_sampler * engawa_sampler_new(const struct llama_model * model, struct engawa_sampling sampling,
                                           const char * decoding, char ** error);
void                    engawa_sampler_free(struct engawa_sampler * sampler);
// Takes a token that is already in the context into account; the grammar, if any, only those of the reply.
void engawa_sampler_accept(struct engawa_sampler * sampler, llama_token token, bool is_of_reply, char ** error);
// Chooses a token from the logits of row `index` and accepts it.
llama_token engawa_sampler_sample(struct engawa_sampler * sampler, struct llama_context * context, int32_t index, char ** error);

// ---- llama.h calls that can throw ----

// As `llama_tokenize`: the number of tokens, or minus the number that would be needed.
int32_t engawa_tokenize(const struct llama_vocab * vocab, const char * text, int32_t length, llama_token * tokens,
                        int32_t capacity, bool add_special, bool parse_special, char ** error);
// As `llama_token_to_piece` with lstrip 0: bytes, not characters.
int32_t engawa_token_to_piece(const struct llama_vocab * vocab, llama_token token, char * buffer, int32_t capacity,
                              bool special, char ** error);
int32_t engawa_decode(struct llama_context * context, struct llama_batch batch, char ** error);

// ---- projectors ----

// The kinds of projector that a file says it has, as JSON: ["mlp"]. An error when not all of its tensors are in the file; null
// without one when it is no GGUF that can be read.
char * engawa_projector_kinds(const char * path, char ** error);
// What keeps a projector, of a kind that is let in, from being used with a model, as far as the headers of both files tell; null if
// nothing does.
char * engawa_projector_fault(const char * model, const char * projector, char ** error);
// What a picture (`width` × `height` × 3 bytes) or, where `rgb` is null, a sound (`n_samples`) is to a model; null when the projector
// refuses it. Freed with `mtmd_input_chunks_free`.
struct mtmd_input_chunks * engawa_media_chunks(const struct mtmd_context * projector, const uint8_t * rgb, uint32_t width, uint32_t height,
                                               const float * samples, size_t n_samples, char ** error);
struct mtmd_input_chunk * engawa_chunk_copy(const struct mtmd_input_chunk * chunk, char ** error);
// Reads what a projector made of a chunk, `n_tokens` × `n_embd` numbers: the status of `llama_decode`.
int32_t engawa_read_media(struct mtmd_context * projector, struct llama_context * context, const struct mtmd_input_chunk * chunk,
                          const float * numbers, llama_pos position, llama_seq_id sequence, int32_t n_batch, char ** error);

// ---- models ----

// Whether `draft` has the vocabulary of `model`, so that it can draft for it.
bool engawa_can_draft(const struct llama_model * model, const struct llama_model * draft, char ** error);

// ---- heads of a model's own that guess the tokens behind the next (multi-token prediction) ----

// A token to be guessed behind.
struct engawa_guess {
    llama_token  token;
    llama_pos    position;
    llama_seq_id sequence;
    bool         wanted;
};

// The architecture of a file that says that it has such heads; null for others, and for what is no GGUF.
char * engawa_heads_architecture(const char * path, char ** error);
// Whether each of a loaded model's heads has a matrix or vector of this name.
bool engawa_heads_have(const struct llama_model * model, const char * part, char ** error);
// Makes `context` keep the state behind each token of a batch, which `heads`, a context of the heads of the same model, takes.
void engawa_heads_join(struct llama_context * context, struct llama_context * heads, char ** error);
// Makes it keep them no more.
void engawa_heads_leave(struct llama_context * context, char ** error);
// The state behind the token at `index` of the last batch, `llama_model_n_embd_out` numbers; of a context of heads only where it was wanted.
const float * engawa_heads_state(struct llama_context * context, int32_t index, char ** error);
// Computes `n_guesses` tokens with one of the heads, each with the state behind the token in front of it: the status of `llama_decode`.
int32_t engawa_heads_decode(struct llama_context * heads, int32_t head, const struct engawa_guess * guesses, const float * states,
                            size_t n_guesses, char ** error);

// ---- adapters ----

// What keeps an adapter from being used with a model, as far as the headers of both files tell; null if nothing does.
char * engawa_adapter_fault(const char * model, const char * adapter, char ** error);

// ---- memory ----

// What a load would take, without reading the weights, as JSON: {"n_layer": …, "n_ctx_train": …, "n_embd": …,
// "is_recurrent": …, "devices": [{"name": "…", "description": "…", "memory_free": …, "memory_total": …, "weights": …, "mapped": …, "context": …,
// "compute": …}, …]}, in bytes; the host comes last, without a name.
char * engawa_memory_use(const char * path, const struct llama_model_params * model_params,
                         const struct llama_context_params * context_params, char ** error);
// llama.cpp's own fit: changes what is at its default (layers, split, experts) until the load leaves `margin` bytes on each GPU.
// `draft_path` may be null: a model that is loaded beside it, with a context like its own.
// `tensor_split` and `overrides` have room for llama_max_devices() and llama_max_tensor_buft_overrides(), and live as long as the
// parameters, which may point to them afterwards. False when nothing fits; the parameters are not to be used then.
bool engawa_fit(const char * path, struct llama_model_params * model_params, struct llama_context_params * context_params,
                const char * draft_path, const struct llama_model_params * draft_params, float * tensor_split,
                struct llama_model_tensor_buft_override * overrides, size_t margin, char ** error);

#ifdef __cplusplus
}
#endif

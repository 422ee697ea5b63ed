// The functions that reach a model's own heads are not part of llama.cpp's stable interface yet.
#include "llama-ext.h"
#include "llama-model.h"
#include "llama.h"

#include "gguf_file.h"
#include "guard.h"
#include "shim.h"

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>

char * engawa_heads_architecture(const char * path, char ** error) {
    return engawa_guard<char *>(error, nullptr, [&]() -> char * {
        const gguf_file file(path);
        const char *    name = file ? file.text("general.architecture") : nullptr;
        if (!name) {
            return nullptr;
        }
        const std::string architecture = name;
        const bool        has_heads    = file.number(architecture + ".nextn_predict_layers") > 0;
        return has_heads ? engawa_copy(architecture) : nullptr;
    });
}

bool engawa_heads_have(const llama_model * model, const char * part, char ** error) {
    return engawa_guard<bool>(error, false, [&] {
        const auto &  tensors = llama_internal_get_tensor_map(model);
        const int32_t first   = llama_model_n_layer(model);
        for (int32_t head = 0; head < llama_model_n_layer_nextn(model); head++) {
            const std::string name = "blk." + std::to_string(first + head) + "." + part + ".weight";
            const auto is_it       = [&](const std::pair<std::string, ggml_tensor *> & one) { return one.first == name && one.second; };
            if (std::none_of(tensors.begin(), tensors.end(), is_it)) {
                return false;
            }
        }
        return true;
    });
}

void engawa_heads_join(llama_context * context, llama_context * heads, char ** error) {
    engawa_guard<bool>(error, false, [&] {
        llama_set_embeddings_nextn(context, true, /* masked */ false);
        llama_set_embeddings_nextn(heads, true, /* masked */ true);
        return true;
    });
}

void engawa_heads_leave(llama_context * context, char ** error) {
    engawa_guard<bool>(error, false, [&] {
        llama_set_embeddings_nextn(context, false, /* masked */ false);
        return true;
    });
}

const float * engawa_heads_state(llama_context * context, int32_t index, char ** error) {
    return engawa_guard<const float *>(error, nullptr, [&] { return llama_get_embeddings_nextn_ith(context, index); });
}

int32_t engawa_heads_decode(llama_context * heads, int32_t head, const engawa_guess * guesses, const float * states, size_t n_guesses,
                            char ** error) {
    return engawa_guard<int32_t>(error, -1, [&] {
        const std::unique_ptr<llama_batch_ext, decltype(&llama_batch_ext_free)> batch(llama_batch_ext_init(heads), llama_batch_ext_free);
        const size_t width = llama_model_n_embd_out(llama_get_model(heads));
        for (size_t i = 0; i < n_guesses; i++) {
            const engawa_guess & guess = guesses[i];
            const int32_t        index = llama_batch_ext_add_token(batch.get(), guess.sequence, guess.token);
            if (index < 0 || !llama_batch_ext_set_embd_token(batch.get(), index, { states + i * width, 1, width })) {
                throw std::runtime_error("a token does not fit the batch");
            }
            llama_batch_ext_set_pos(batch.get(), index, &guess.position);
            llama_batch_ext_set_output_logits(batch.get(), index, guess.wanted);
        }
        llama_set_nextn_layer_offset(heads, head);
        const int32_t status = llama_process(heads, LLAMA_PROCESS_TYPE_DECODE, batch.get());
        llama_set_nextn_layer_offset(heads, 0);
        return status;
    });
}

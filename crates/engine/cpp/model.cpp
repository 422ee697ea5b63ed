#include "fit.h"
#include "llama.h"

#include "guard.h"
#include "shim.h"

#include <vector>

int32_t engawa_tokenize(const llama_vocab * vocab, const char * text, int32_t length, llama_token * tokens, int32_t capacity,
                        bool add_special, bool parse_special, char ** error) {
    return engawa_guard<int32_t>(error, 0, [&] {
        return llama_tokenize(vocab, text, length, tokens, capacity, add_special, parse_special);
    });
}

int32_t engawa_token_to_piece(const llama_vocab * vocab, llama_token token, char * buffer, int32_t capacity, bool special,
                              char ** error) {
    return engawa_guard<int32_t>(error, 0, [&] {
        return llama_token_to_piece(vocab, token, buffer, capacity, /* lstrip */ 0, special);
    });
}

int32_t engawa_decode(llama_context * context, llama_batch batch, char ** error) {
    return engawa_guard<int32_t>(error, -1, [&] { return llama_decode(context, batch); });
}

engawa_memory engawa_host_memory(const char * path, const llama_model_params * model_params,
                                 const llama_context_params * context_params, char ** error) {
    return engawa_guard<engawa_memory>(error, engawa_memory{}, [&] {
        std::vector<ggml_backend_dev_t> devices;
        uint32_t                        n_gpu_layers = 0;
        uint32_t                        n_ctx_train  = 0;
        uint32_t                        n_expert     = 0;
        const auto breakdown = common_get_device_memory_data(path, model_params, context_params, devices, n_gpu_layers,
                                                             n_ctx_train, n_expert, GGML_LOG_LEVEL_ERROR);
        // The devices come first, what is left over is the host.
        engawa_memory memory{};
        for (size_t i = devices.size(); i < breakdown.size(); i++) {
            memory.weights += breakdown[i].model;
            memory.context += breakdown[i].context;
            memory.compute += breakdown[i].compute;
        }
        return memory;
    });
}

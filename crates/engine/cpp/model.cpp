#include "fit.h"
#include "json.h"
#include "llama-arch.h"
#include "llama.h"
#include "speculative.h"

#include "gguf_file.h"
#include "guard.h"
#include "shim.h"

#include <algorithm>
#include <string>
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

bool engawa_can_draft(const llama_model * model, const llama_model * draft, char ** error) {
    return engawa_guard<bool>(error, false, [&] { return common_speculative_are_compatible(model, draft); });
}

char * engawa_adapter_fault(const char * model, const char * adapter, char ** error) {
    return engawa_guard<char *>(error, nullptr, [&]() -> char * {
        const gguf_file base(model);
        const gguf_file lora(adapter);
        if (!lora) {
            return engawa_copy("it is no GGUF, or damaged");
        }
        const char * type = lora.text("general.type");
        if (!type || std::string(type) != "adapter") {
            return engawa_copy("it is no adapter: its general.type is not \"adapter\"");
        }
        if (!lora.is_whole()) {
            return engawa_copy("its end is missing");
        }
        if (!base) {
            return nullptr;
        }
        const char *      own          = base.text("general.architecture");
        const char *      trained_for  = lora.text("general.architecture");
        const std::string architecture = trained_for ? trained_for : "";
        if (architecture != (own ? own : "")) {
            return engawa_copy("it was made for another architecture, " + architecture.substr(0, 64));
        }
        const std::string ending = ".lora_a";
        for (ggml_tensor * a = ggml_get_first_tensor(lora.tensors.get()); a; a = ggml_get_next_tensor(lora.tensors.get(), a)) {
            const std::string whole = ggml_get_name(a);
            if (whole.size() <= ending.size() || whole.compare(whole.size() - ending.size(), ending.size(), ending) != 0) {
                continue;
            }
            const std::string   name = whole.substr(0, whole.size() - ending.size());
            const ggml_tensor * b    = ggml_get_tensor(lora.tensors.get(), (name + ".lora_b").c_str());
            const ggml_tensor * w    = ggml_get_tensor(base.tensors.get(), name.c_str());
            // Those of embeddings lie the other way round; of a model in several files, the others have the rest.
            if (!b || !w || name == "token_embd.weight") {
                continue;
            }
            if (w->ne[0] != a->ne[0] || w->ne[1] != b->ne[1]) {
                return engawa_copy("its tensors have another shape than those of the model");
            }
        }
        return nullptr;
    });
}

char * engawa_memory_use(const char * path, const llama_model_params * model_params, const llama_context_params * context_params,
                         char ** error) {
    return engawa_guard<char *>(error, nullptr, [&] {
        std::vector<ggml_backend_dev_t> devices;
        uint32_t                        n_layer     = 0;
        uint32_t                        n_ctx_train = 0;
        uint32_t                        n_expert    = 0;
        // Weights that the processor has in an order of its own are in none of the devices; without that order they are the host's.
        llama_model_params plain = *model_params;
        plain.use_extra_bufts    = false;
        const auto breakdown     = common_get_device_memory_data(path, &plain, context_params, devices, n_layer, n_ctx_train, n_expert,
                                                                 GGML_LOG_LEVEL_ERROR);
        const auto reordered     = common_get_device_memory_data(path, model_params, context_params, devices, n_layer, n_ctx_train,
                                                                 n_expert, GGML_LOG_LEVEL_ERROR);
        const bool is_mapped     = model_params->load_mode == LLAMA_LOAD_MODE_MMAP;
        common_json uses         = common_json::array();
        for (size_t i = 0; i < breakdown.size(); i++) {
            // The devices come first, what is left over is the host.
            const bool  is_host = i >= devices.size();
            common_json use     = common_json::object();
            use["name"]         = is_host ? "" : ggml_backend_dev_name(devices[i]);
            use["description"]  = is_host ? "" : ggml_backend_dev_description(devices[i]);
            use["memory_free"]  = breakdown[i].free;
            use["memory_total"] = breakdown[i].total;
            use["weights"]      = breakdown[i].model;
            use["context"]      = breakdown[i].context;
            use["compute"]      = breakdown[i].compute;
            // What is stored in another order than the file's is never mapped, and what is locked can't be given back.
            use["mapped"] = is_host && is_mapped ? std::min(breakdown[i].model, reordered[i].model) : 0;
            uses.push_back(use);
        }
        const gguf_file file(path);
        const char *    name   = file ? file.text("general.architecture") : nullptr;
        if (name && !model_params->load_mtp) {
            // llama.cpp counts heads among the layers that go to devices, whether it loads them or not.
            n_layer += file.number(std::string(name) + ".nextn_predict_layers");
        }
        const llm_arch  arch   = llm_arch_from_string(name ? name : "");
        common_json     result = common_json::object();
        result["n_layer"]      = n_layer;
        result["n_ctx_train"]  = n_ctx_train;
        result["n_embd"]       = name ? file.number(std::string(name) + ".embedding_length") : 0;
        result["is_recurrent"] = llm_arch_is_recurrent(arch) || llm_arch_is_hybrid(arch);
        result["devices"]      = uses;
        return engawa_copy(result.dump());
    });
}

bool engawa_fit(const char * path, llama_model_params * model_params, llama_context_params * context_params, const char * draft_path,
                const llama_model_params * draft_params, float * tensor_split, llama_model_tensor_buft_override * overrides,
                size_t margin, char ** error) {
    return engawa_guard<bool>(error, false, [&] {
        std::vector<size_t>    margins(llama_max_devices(), margin);
        llama_model_params     beside_params  = draft_path ? *draft_params : llama_model_default_params();
        llama_context_params   beside_context = *context_params;
        common_fit_extra_model beside{ draft_path, &beside_params, &beside_context, /* shares_model */ false };
        return common_fit_params(path, model_params, context_params, tensor_split, overrides, margins.data(), context_params->n_ctx,
                                 draft_path ? &beside : nullptr, GGML_LOG_LEVEL_ERROR) == COMMON_PARAMS_FIT_STATUS_SUCCESS;
    });
}

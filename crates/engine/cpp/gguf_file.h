#pragma once

#include "ggml.h"
#include "gguf.h"

#include <filesystem>
#include <memory>
#include <string>

// The header of a GGUF; its tensors have shapes and no data. Null where the file is none, or damaged.
struct gguf_file {
    std::unique_ptr<ggml_context, decltype(&ggml_free)> tensors{ nullptr, ggml_free };
    std::unique_ptr<gguf_context, decltype(&gguf_free)> values{ nullptr, gguf_free };

    explicit gguf_file(const char * path) : path(path) {
        ggml_context *         context = nullptr;
        const gguf_init_params params{ /* no_alloc */ true, /* ctx */ &context };
        values.reset(gguf_init_from_file(path, params));
        tensors.reset(context);
    }

    explicit operator bool() const { return values != nullptr; }

    // Null where there is none.
    const char * text(const char * key) const {
        const int64_t index = gguf_find_key(values.get(), key);
        return index >= 0 && gguf_get_kv_type(values.get(), index) == GGUF_TYPE_STRING ? gguf_get_val_str(values.get(), index) : nullptr;
    }

    // 0 where there is none.
    uint32_t number(const std::string & key) const {
        const int64_t index = gguf_find_key(values.get(), key.c_str());
        return index >= 0 && gguf_get_kv_type(values.get(), index) == GGUF_TYPE_UINT32 ? gguf_get_val_u32(values.get(), index) : 0;
    }

    // Whether the file is as long as its header says.
    bool is_whole() const {
        const uint64_t length = std::filesystem::file_size(std::filesystem::u8path(path));
        const uint64_t begin  = gguf_get_data_offset(values.get());
        for (int64_t i = 0; i < gguf_get_n_tensors(values.get()); i++) {
            const uint64_t offset = gguf_get_tensor_offset(values.get(), i);
            const uint64_t size   = gguf_get_tensor_size(values.get(), i);
            if (begin > length || offset > length - begin || size > length - begin - offset) {
                return false;
            }
        }
        return true;
    }

  private:
    const char * path;
};

#include "clip.h"
#include "json.h"
#include "mtmd-helper.h"
#include "mtmd.h"

#include "gguf_file.h"
#include "guard.h"
#include "shim.h"

#include <memory>
#include <stdexcept>
#include <string>

// The width and height of pictures up to which a projector is looked at beyond its header, in pixels.
static constexpr uint32_t MOST_ACROSS = 4096;

char * engawa_projector_kinds(const char * path, char ** error) {
    return engawa_guard<char *>(error, nullptr, [&]() -> char * {
        const gguf_file file(path);
        if (!file) {
            return nullptr;
        }
        // Nothing else looks: what is missing would be read as anything.
        if (!file.is_whole()) {
            throw std::runtime_error("its end is missing");
        }
        common_json kinds = common_json::array();
        for (const char * key : { "clip.projector_type", "clip.vision.projector_type", "clip.audio.projector_type" }) {
            if (const char * kind = file.text(key)) {
                kinds.push_back(kind);
            }
        }
        return engawa_copy(kinds.dump());
    });
}

char * engawa_projector_fault(const char * model, const char * projector, char ** error) {
    return engawa_guard<char *>(error, nullptr, [&]() -> char * {
        const gguf_file file(model);
        const char *    architecture = file ? file.text("general.architecture") : nullptr;
        if (!architecture) {
            return nullptr;
        }
        const std::string prefix(architecture);
        const uint64_t    wanted =
            uint64_t{ file.number(prefix + ".embedding_length") } * (1 + uint64_t{ file.number(prefix + ".n_deepstack_layers") });
        // A picture of the size that the file says is made to find out what it takes.
        const gguf_file header(projector);
        if (!header || header.number("clip.vision.image_size") > MOST_ACROSS ||
            header.number("clip.vision.image_max_pixels") > MOST_ACROSS * MOST_ACROSS) {
            return nullptr;
        }
        // Memory is asked for, but no weights are read into it.
        clip_context_params params{};
        params.flash_attn_type = CLIP_FLASH_ATTN_TYPE_DISABLED;
        params.no_alloc        = true;
        const auto parts       = clip_init(projector, params);
        using part             = std::unique_ptr<clip_ctx, decltype(&clip_free)>;
        const part seen(parts.ctx_v, clip_free);
        const part heard(parts.ctx_a, clip_free);
        const part spoken(parts.ctx_gen_a, clip_free);
        const clip_ctx * any = seen ? seen.get() : heard.get();
        // The load itself says what else is wrong.
        if (!any || wanted == 0) {
            return nullptr;
        }
        const auto made = static_cast<uint64_t>(clip_n_mmproj_embd(any));
        if (made == wanted) {
            return nullptr;
        }
        return engawa_copy("it makes " + std::to_string(made) + " numbers of a token, and the model reads " + std::to_string(wanted));
    });
}

mtmd_input_chunks * engawa_media_chunks(const mtmd_context * projector, const uint8_t * rgb, uint32_t width, uint32_t height,
                                        const float * samples, size_t n_samples, char ** error) {
    return engawa_guard<mtmd_input_chunks *>(error, nullptr, [&]() -> mtmd_input_chunks * {
        const std::unique_ptr<mtmd_bitmap, decltype(&mtmd_bitmap_free)> bitmap(
            rgb ? mtmd_bitmap_init(width, height, rgb) : mtmd_bitmap_init_from_audio(n_samples, samples), mtmd_bitmap_free);
        std::unique_ptr<mtmd_input_chunks, decltype(&mtmd_input_chunks_free)> chunks(mtmd_input_chunks_init(), mtmd_input_chunks_free);
        const mtmd_input_part   part{ /* text */ nullptr, bitmap.get() };
        const mtmd_input_part * parts = &part;
        const int32_t           status =
            mtmd_tokenize_from_parts(projector, chunks.get(), &parts, 1, /* add_special */ false);
        return status == 0 ? chunks.release() : nullptr;
    });
}

mtmd_input_chunk * engawa_chunk_copy(const mtmd_input_chunk * chunk, char ** error) {
    return engawa_guard<mtmd_input_chunk *>(error, nullptr, [&] { return mtmd_input_chunk_copy(chunk); });
}

int32_t engawa_read_media(mtmd_context * projector, llama_context * context, const mtmd_input_chunk * chunk, const float * numbers,
                          llama_pos position, llama_seq_id sequence, int32_t n_batch, char ** error) {
    return engawa_guard<int32_t>(error, -1, [&] {
        llama_pos behind = 0;
        // It only reads them.
        return mtmd_helper_decode_image_chunk(projector, context, chunk, const_cast<float *>(numbers), position, sequence, n_batch,
                                              &behind, nullptr, nullptr);
    });
}

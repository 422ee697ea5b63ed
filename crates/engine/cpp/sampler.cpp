#include "sampling.h"

#include "guard.h"
#include "shim.h"

struct engawa_sampler {
    common_sampler_ptr sampler;
};

engawa_sampler * engawa_sampler_new(const llama_model * model, engawa_sampling sampling, char ** error) {
    return engawa_guard<engawa_sampler *>(error, nullptr, [&] {
        common_params_sampling params;
        params.temp            = sampling.temperature;
        params.top_k           = sampling.top_k;
        params.top_p           = sampling.top_p;
        params.min_p           = sampling.min_p;
        params.typ_p           = sampling.typical_p;
        params.penalty_repeat  = sampling.repeat_penalty;
        params.penalty_freq    = sampling.frequency_penalty;
        params.penalty_present = sampling.presence_penalty;
        params.penalty_last_n  = sampling.repeat_last_n;
        params.seed            = sampling.seed;
        params.no_perf         = true;
        return new engawa_sampler{ common_sampler_ptr(common_sampler_init(model, params)) };
    });
}

void engawa_sampler_free(engawa_sampler * sampler) {
    delete sampler;
}

void engawa_sampler_accept(engawa_sampler * sampler, llama_token token, char ** error) {
    engawa_guard<int>(error, 0, [&] {
        common_sampler_accept(sampler->sampler.get(), token, /* is_generated */ false);
        return 0;
    });
}

llama_token engawa_sampler_sample(engawa_sampler * sampler, llama_context * context, int32_t index, char ** error) {
    return engawa_guard<llama_token>(error, LLAMA_TOKEN_NULL, [&] {
        const llama_token token = common_sampler_sample(sampler->sampler.get(), context, index);
        common_sampler_accept(sampler->sampler.get(), token, /* is_generated */ true);
        return token;
    });
}

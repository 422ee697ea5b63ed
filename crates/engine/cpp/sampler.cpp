#include "sampling.h"

#include "common.h"
#include "guard.h"
#include "json.h"
#include "shim.h"

#include <cmath>

struct engawa_sampler {
    common_sampler_ptr sampler;
};

static std::vector<std::string> read_texts(const common_json & list) {
    std::vector<std::string> texts;
    for (const common_json & text : list) {
        texts.push_back(text.get<std::string>());
    }
    return texts;
}

static void read_grammar(const common_json & grammar, const llama_vocab * vocab, common_params_sampling & params) {
    params.grammar = common_grammar(static_cast<common_grammar_type>(grammar.at("type").get<int>()),
                                    grammar.at("text").get<std::string>());
    params.grammar_lazy      = grammar.at("lazy").get<bool>();
    params.generation_prompt = grammar.at("generation_prompt").get<std::string>();
    if (params.grammar_lazy) {
        // What opens a call while the model thinks opens none.
        const auto tokens_of = [&](const std::string & text) {
            return common_tokenize(vocab, text, /* add_special */ false, /* parse_special */ true);
        };
        params.reasoning_budget_start = tokens_of(grammar.at("thinking_start").get<std::string>());
        for (const std::string & tag : read_texts(grammar.at("thinking_ends"))) {
            params.reasoning_budget_end.push_back(tokens_of(tag));
        }
    }
    for (const common_json & one : grammar.at("triggers")) {
        common_grammar_trigger trigger;
        trigger.type  = static_cast<common_grammar_trigger_type>(one.at("type").get<int>());
        trigger.value = one.at("value").get<std::string>();
        trigger.token = one.at("token").get<int>();
        if (trigger.type == COMMON_GRAMMAR_TRIGGER_TYPE_WORD) {
            // A mark that is one token is seen as that token only.
            const std::vector<llama_token> tokens =
                common_tokenize(vocab, trigger.value, /* add_special */ false, /* parse_special */ true);
            if (tokens.size() == 1) {
                trigger.type  = COMMON_GRAMMAR_TRIGGER_TYPE_TOKEN;
                trigger.token = tokens.front();
            }
        }
        params.grammar_triggers.push_back(std::move(trigger));
    }
}

static void read_decoding(const common_json & decoding, const llama_vocab * vocab, common_params_sampling & params) {
    const std::vector<std::string> samplers = read_texts(decoding.at("samplers"));
    if (!samplers.empty()) {
        params.samplers = common_sampler_types_from_names(samplers);
    }
    std::vector<std::string> breakers = read_texts(decoding.at("dry_sequence_breakers"));
    if (!breakers.empty()) {
        params.dry_sequence_breakers = std::move(breakers);
    }
    for (const common_json & one : decoding.at("logit_bias")) {
        const common_json & bias = one.at("bias");
        params.logit_bias.push_back({ one.at("token").get<int>(),
                                      bias.is_null() ? -INFINITY : static_cast<float>(bias.get<double>()) });
    }
    const common_json & grammar = decoding.at("grammar");
    if (!grammar.is_null()) {
        read_grammar(grammar, vocab, params);
    }
}

engawa_sampler * engawa_sampler_new(const llama_model * model, engawa_sampling sampling, const char * decoding, char ** error) {
    return engawa_guard<engawa_sampler *>(error, nullptr, [&] {
        common_params_sampling params;
        params.temp               = sampling.temperature;
        params.top_k              = sampling.top_k;
        params.top_p              = sampling.top_p;
        params.min_p              = sampling.min_p;
        params.typ_p              = sampling.typical_p;
        params.penalty_repeat     = sampling.repeat_penalty;
        params.penalty_freq       = sampling.frequency_penalty;
        params.penalty_present    = sampling.presence_penalty;
        params.penalty_last_n     = sampling.repeat_last_n;
        params.dynatemp_range     = sampling.dynatemp_range;
        params.dynatemp_exponent  = sampling.dynatemp_exponent;
        params.top_n_sigma        = sampling.top_n_sigma;
        params.xtc_probability    = sampling.xtc_probability;
        params.xtc_threshold      = sampling.xtc_threshold;
        params.dry_multiplier     = sampling.dry_multiplier;
        params.dry_base           = sampling.dry_base;
        params.dry_allowed_length = sampling.dry_allowed_length;
        params.dry_penalty_last_n = sampling.dry_penalty_last_n;
        params.mirostat           = sampling.mirostat;
        params.mirostat_tau       = sampling.mirostat_tau;
        params.mirostat_eta       = sampling.mirostat_eta;
        params.seed               = sampling.seed;
        params.no_perf            = true;
        read_decoding(common_json::parse(decoding), llama_model_get_vocab(model), params);
        return new engawa_sampler{ common_sampler_ptr(common_sampler_init(model, params)) };
    });
}

void engawa_sampler_free(engawa_sampler * sampler) {
    delete sampler;
}

void engawa_sampler_accept(engawa_sampler * sampler, llama_token token, bool is_of_reply, char ** error) {
    engawa_guard<int>(error, 0, [&] {
        common_sampler_accept(sampler->sampler.get(), token, is_of_reply);
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

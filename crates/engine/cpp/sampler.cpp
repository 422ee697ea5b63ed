#include "sampling.h"

#include "common.h"
#include "guard.h"
#include "json.h"
#include "shim.h"

#include <algorithm>
#include <cmath>
#include <deque>

// So many scores are looked at together, several in one step of the processor: hardly any of them is high.
static const llama_token BLOCK = 64;

// More candidates than this are not gathered, but all tokens taken.
static const size_t MOST_CANDIDATES = 4096;

struct engawa_sampler {
    common_sampler_ptr sampler;
    // What top-k leaves, where only it and samplers that change the scores of a few tokens come first; 0 otherwise.
    size_t top_k;
    // The tokens whose scores are changed whatever was written, and the last ones, whose scores the penalties change.
    std::vector<llama_token> biased;
    std::deque<llama_token>  last;
    size_t                   last_n;

    std::vector<llama_token>      changed;
    std::vector<llama_token_data> candidates;
};

// How many tokens top-k leaves, if nothing in front of it needs to see all tokens; 0 otherwise.
static size_t first_cut(const common_params_sampling & params) {
    if (params.mirostat != 0 || params.top_k <= 0 || !common_grammar_value(params.grammar).empty()) {
        return 0;
    }
    for (const common_sampler_type type : params.samplers) {
        switch (type) {
            case COMMON_SAMPLER_TYPE_PENALTIES: break;
            case COMMON_SAMPLER_TYPE_TOP_K: return params.top_k;
            case COMMON_SAMPLER_TYPE_DRY:
                if (params.dry_multiplier != 0.0f) {
                    return 0;
                }
                break;
            case COMMON_SAMPLER_TYPE_TOP_N_SIGMA:
                if (params.top_n_sigma > 0.0f) {
                    return 0;
                }
                break;
            default: return 0;
        }
    }
    return 0;
}

// The tokens with the `n` highest scores, in any order.
static void highest(const float * logits, int32_t n_tokens, size_t n, std::vector<llama_token_data> & candidates) {
    const auto is_higher = [](const llama_token_data & a, const llama_token_data & b) { return a.logit > b.logit; };
    float      lowest    = -INFINITY;
    candidates.clear();
    for (llama_token first = 0; first < n_tokens; first += BLOCK) {
        const llama_token end     = std::min(first + BLOCK, n_tokens);
        bool              is_high = false;
        for (llama_token token = first; token < end; token++) {
            is_high |= logits[token] > lowest;
        }
        for (llama_token token = first; is_high && token < end; token++) {
            if (logits[token] > lowest) {
                candidates.push_back({ token, logits[token], 0.0f });
            }
        }
        if (candidates.size() >= 2 * n + BLOCK) {
            std::nth_element(candidates.begin(), candidates.begin() + n - 1, candidates.end(), is_higher);
            candidates.resize(n);
            lowest = candidates.back().logit;
        }
    }
    if (candidates.size() > n) {
        std::nth_element(candidates.begin(), candidates.begin() + n - 1, candidates.end(), is_higher);
        candidates.resize(n);
    }
}

// Chooses among the tokens that top-k can leave, which are few beside all: those whose scores are changed, and of the others as many with the
// highest scores. LLAMA_TOKEN_NULL when all tokens have to be looked at.
static llama_token sample_among_few(engawa_sampler & sampler, llama_context * context, int32_t index) {
    if (sampler.top_k == 0 || sampler.biased.size() + sampler.last.size() > MOST_CANDIDATES) {
        return LLAMA_TOKEN_NULL;
    }
    std::vector<llama_token> & changed = sampler.changed;
    changed = sampler.biased;
    changed.insert(changed.end(), sampler.last.begin(), sampler.last.end());
    std::sort(changed.begin(), changed.end());
    changed.erase(std::unique(changed.begin(), changed.end()), changed.end());
    const int32_t n_tokens = llama_vocab_n_tokens(llama_model_get_vocab(llama_get_model(context)));
    const size_t  n        = sampler.top_k + changed.size();
    if (n > MOST_CANDIDATES || n >= static_cast<size_t>(n_tokens)) {
        return LLAMA_TOKEN_NULL;
    }
    const float * logits = llama_get_logits_ith(context, index);
    if (!logits) {
        return LLAMA_TOKEN_NULL;
    }
    std::vector<llama_token_data> & candidates = sampler.candidates;
    highest(logits, n_tokens, n, candidates);
    if (candidates.size() < n) {
        // Some scores are no numbers.
        return LLAMA_TOKEN_NULL;
    }
    const auto is_changed = [&](const llama_token_data & candidate) {
        return std::binary_search(changed.begin(), changed.end(), candidate.id);
    };
    candidates.erase(std::remove_if(candidates.begin(), candidates.end(), is_changed), candidates.end());
    for (const llama_token token : changed) {
        if (token >= 0 && token < n_tokens) {
            candidates.push_back({ token, logits[token], 0.0f });
        }
    }
    // As all tokens would come: where scores are equal, the order counts.
    std::sort(candidates.begin(), candidates.end(), [](const llama_token_data & a, const llama_token_data & b) { return a.id < b.id; });
    llama_token_data_array array{ candidates.data(), candidates.size(), -1, false };
    llama_sampler_apply(common_sampler_get(sampler.sampler.get()), &array);
    return array.selected < 0 ? LLAMA_TOKEN_NULL : array.data[array.selected].id;
}

static void note_token(engawa_sampler & sampler, llama_token token) {
    sampler.last.push_back(token);
    if (sampler.last.size() > sampler.last_n) {
        sampler.last.pop_front();
    }
}

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
        params.adaptive_target    = sampling.adaptive_target;
        params.adaptive_decay     = sampling.adaptive_decay;
        params.seed               = sampling.seed;
        params.no_perf            = true;
        read_decoding(common_json::parse(decoding), llama_model_get_vocab(model), params);
        if (params.adaptive_target >= 0.0f) {
            params.samplers.push_back(COMMON_SAMPLER_TYPE_ADAPTIVE_P);
        }
        auto sampler = std::make_unique<engawa_sampler>();
        sampler->top_k  = first_cut(params);
        sampler->last_n = params.penalty_last_n;
        for (const llama_logit_bias & bias : params.logit_bias) {
            sampler->biased.push_back(bias.token);
        }
        // Those that the model itself never wants written.
        int32_t             n_suppressed = 0;
        const llama_token * suppressed   = llama_vocab_get_suppress_tokens(llama_model_get_vocab(model), &n_suppressed);
        sampler->biased.insert(sampler->biased.end(), suppressed, suppressed + n_suppressed);
        std::sort(sampler->biased.begin(), sampler->biased.end());
        if (std::adjacent_find(sampler->biased.begin(), sampler->biased.end()) != sampler->biased.end()) {
            // Of several biases of a token, llama.cpp finds all only where tokens stand at their own places.
            sampler->top_k = 0;
        }
        sampler->sampler.reset(common_sampler_init(model, params));
        return sampler.release();
    });
}

void engawa_sampler_free(engawa_sampler * sampler) {
    delete sampler;
}

void engawa_sampler_accept(engawa_sampler * sampler, llama_token token, bool is_of_reply, char ** error) {
    engawa_guard<int>(error, 0, [&] {
        common_sampler_accept(sampler->sampler.get(), token, is_of_reply);
        note_token(*sampler, token);
        return 0;
    });
}

llama_token engawa_sampler_sample(engawa_sampler * sampler, llama_context * context, int32_t index, char ** error) {
    return engawa_guard<llama_token>(error, LLAMA_TOKEN_NULL, [&] {
        llama_token token = sample_among_few(*sampler, context, index);
        if (token == LLAMA_TOKEN_NULL) {
            token = common_sampler_sample(sampler->sampler.get(), context, index);
        }
        common_sampler_accept(sampler->sampler.get(), token, /* is_generated */ true);
        note_token(*sampler, token);
        return token;
    });
}

#include "chat.h"

#include "guard.h"
#include "json-schema-to-grammar.h"
#include "json.h"
#include "log.h"
#include "shim.h"

struct engawa_templates {
    common_chat_templates_ptr templates;
};

struct engawa_parser {
    common_chat_parser_params params;
    std::string               text;
    std::string               reasoning;
    std::string               content;
    std::vector<common_chat_tool_call> tool_calls;
    // Up to where the text was given out, as far as is known.
    size_t given_out = 0;
    // The text did not fit the parser: what follows is shown as it is.
    bool raw = false;
};

void engawa_free(char * text) {
    std::free(text);
}

void engawa_silence_common(void) {
    common_log_set_verbosity_thold(-1);
}

engawa_templates * engawa_templates_new(const llama_model * model, const char * source, char ** error) {
    return engawa_guard<engawa_templates *>(error, nullptr, [&] {
        return new engawa_templates{ common_chat_templates_init(model, source) };
    });
}

void engawa_templates_free(engawa_templates * templates) {
    delete templates;
}

bool engawa_templates_from_file(const engawa_templates * templates) {
    return common_chat_templates_was_explicit(templates->templates.get());
}

static common_json describe_grammar(common_grammar_type type, const std::string & text, const common_chat_params & applied) {
    common_json grammar          = common_json::object();
    grammar["type"]              = static_cast<int>(type);
    grammar["text"]              = text;
    grammar["lazy"]              = applied.grammar_lazy;
    grammar["generation_prompt"] = applied.generation_prompt;
    grammar["thinking_start"]    = applied.thinking_start_tag;
    grammar["thinking_ends"]     = applied.thinking_end_tags;
    grammar["triggers"]          = common_json::array();
    for (const common_grammar_trigger & trigger : applied.grammar_triggers) {
        common_json one = common_json::object();
        one["type"]     = static_cast<int>(trigger.type);
        one["value"]    = trigger.value;
        one["token"]    = trigger.token;
        grammar["triggers"].push_back(one);
    }
    return grammar;
}

char * engawa_templates_apply(const engawa_templates * templates, const char * request, char ** error) {
    return engawa_guard<char *>(error, nullptr, [&] {
        const common_json            parsed = common_json::parse(request);
        common_chat_templates_inputs inputs;
        inputs.messages         = common_chat_msgs_parse_oaicompat(parsed.at("messages"));
        inputs.reasoning_format = COMMON_REASONING_FORMAT_AUTO;
        if (parsed.contains("tools")) {
            inputs.tools = common_chat_tools_parse_oaicompat(parsed.at("tools"));
        }
        inputs.json_schema = parsed.value("json_schema", "");
        const common_chat_params applied = common_chat_templates_apply(templates->templates.get(), inputs);

        common_json result          = common_json::object();
        result["prompt"]            = applied.prompt;
        result["format"]            = static_cast<int>(applied.format);
        result["generation_prompt"] = applied.generation_prompt;
        result["parser"]            = applied.parser;
        result["calls_tools"]       = !inputs.tools.empty();
        result["supports_thinking"] = applied.supports_thinking;
        result["preserved_tokens"]  = applied.preserved_tokens;
        result["additional_stops"]  = applied.additional_stops;
        if (parsed.contains("grammar")) {
            // Templates know nothing of it: it is the whole reply's.
            result["grammar"] = describe_grammar(COMMON_GRAMMAR_TYPE_USER, parsed.at("grammar").get<std::string>(), {});
        } else if (!inputs.json_schema.empty()) {
            result["grammar"] = describe_grammar(COMMON_GRAMMAR_TYPE_OUTPUT_FORMAT, applied.grammar, applied);
        } else if (!inputs.tools.empty() && !applied.grammar.empty()) {
            // From where a call begins, for most templates.
            result["grammar"] = describe_grammar(COMMON_GRAMMAR_TYPE_TOOL_CALLS, applied.grammar, applied);
        }
        result["thinking_start"]    = applied.thinking_start_tag;
        result["thinking_end"]      = applied.thinking_end_tags.empty() ? std::string() : applied.thinking_end_tags.front();
        return engawa_copy(result.dump_safe());
    });
}

char * engawa_schema_to_grammar(const char * schema, char ** error) {
    return engawa_guard<char *>(error, nullptr, [&] {
        return engawa_copy(json_schema_to_grammar(common_json::parse(schema), /* force_gbnf */ true));
    });
}

engawa_parser * engawa_parser_new(const char * applied, char ** error) {
    return engawa_guard<engawa_parser *>(error, nullptr, [&] {
        const common_json description = common_json::parse(applied);
        auto              parser      = std::make_unique<engawa_parser>();
        parser->params.format            = static_cast<common_chat_format>(description.at("format").get<int>());
        parser->params.generation_prompt = description.value("generation_prompt", "");
        parser->params.reasoning_format  = COMMON_REASONING_FORMAT_AUTO;
        parser->params.parse_tool_calls  = description.value("calls_tools", false);
        const std::string saved          = description.value("parser", "");
        if (!saved.empty()) {
            parser->params.parser.load(saved);
        }
        return parser.release();
    });
}

void engawa_parser_free(engawa_parser * parser) {
    delete parser;
}

// What `now` adds to `before`. A partial parse may take back its last characters while they could still be the start
// of a tag: nothing is added then. False when the two differ in what was already given out.
static bool added(const std::string & before, const std::string & now, std::string & addition) {
    if (now.size() < before.size()) {
        return before.compare(0, now.size(), now) == 0;
    }
    if (now.compare(0, before.size(), before) != 0) {
        return false;
    }
    addition = now.substr(before.size());
    return true;
}

void engawa_parser_push(engawa_parser * parser, const char * text, size_t length, bool is_final, char ** reasoning,
                        char ** content, char ** error) {
    engawa_guard<int>(error, 0, [&] {
        const std::string delta(text, length);
        std::string       more_reasoning;
        std::string       more_content;
        parser->text += delta;
        if (!parser->raw) {
            try {
                const common_chat_msg message = common_chat_parse(parser->text, !is_final, parser->params);
                parser->raw = !added(parser->reasoning, message.reasoning_content, more_reasoning) ||
                              !added(parser->content, message.content, more_content);
                parser->tool_calls = message.tool_calls;
            } catch (const std::exception &) {
                parser->raw = true;
            }
        }
        if (parser->raw) {
            parser->tool_calls.clear();
            // With what was held back as the possible start of a tag.
            more_reasoning.clear();
            more_content = parser->text.substr(parser->given_out);
        }
        if (parser->raw) {
            parser->given_out = parser->text.size();
        } else if (!more_reasoning.empty() || !more_content.empty()) {
            // What is held back behind it was not given out.
            const std::string & last  = more_content.empty() ? more_reasoning : more_content;
            const size_t        place = parser->text.find(last, parser->given_out);
            parser->given_out = place == std::string::npos ? parser->text.size() : place + last.size();
        }
        parser->reasoning += more_reasoning;
        parser->content += more_content;
        *reasoning = engawa_copy(more_reasoning);
        *content   = engawa_copy(more_content);
        return 0;
    });
}

char * engawa_parser_tool_calls(const engawa_parser * parser, char ** error) {
    return engawa_guard<char *>(error, nullptr, [&] {
        common_json calls = common_json::array();
        for (const common_chat_tool_call & call : parser->tool_calls) {
            common_json one  = common_json::object();
            one["id"]        = call.id;
            one["name"]      = call.name;
            one["arguments"] = call.arguments;
            calls.push_back(one);
        }
        return engawa_copy(calls.dump_safe());
    });
}

#include "serve/openai/generation_fields.h"

#include <algorithm>
#include <charconv>
#include <limits>

namespace hone::serve {

namespace json = boost::json;

namespace {

constexpr int32_t kMaxInt = std::numeric_limits<int32_t>::max();
constexpr size_t kMaxStopStrings = 16;
constexpr size_t kMaxStopBytes = 4096;
constexpr size_t kMaxListed = 4096;  // stop_token_ids, logit_bias
// Below this the softmax would overflow; the limit is greedy (as in vLLM).
constexpr float kLowestTemperature = 1e-5f;

template <class T>
void set(T& target, const std::optional<double>& given, const std::optional<T>& fallback) {
    if (given) {
        target = static_cast<T>(*given);
    } else if (fallback) {
        target = *fallback;
    }
}

void read_sampling(FieldReader& fields, const RequestRules& rules, engine::SamplingParams& sampling) {
    const GenerationDefaults& defaults = rules.defaults;
    set(sampling.temperature, fields.number("temperature", 0, 100), defaults.temperature);
    if (sampling.temperature < kLowestTemperature) sampling.temperature = 0;
    set(sampling.top_p, fields.number("top_p", 0, 1), defaults.top_p);
    if (sampling.top_p == 0) fields.refuse("top_p", "must be above 0");
    set(sampling.min_p, fields.number("min_p", 0, 1), defaults.min_p);
    set(sampling.repetition_penalty, fields.number("repetition_penalty", 0, 100), defaults.repetition_penalty);
    if (sampling.repetition_penalty == 0) fields.refuse("repetition_penalty", "must be above 0");
    sampling.presence_penalty = static_cast<float>(fields.number("presence_penalty", -2, 2).value_or(0));
    sampling.frequency_penalty = static_cast<float>(fields.number("frequency_penalty", -2, 2).value_or(0));
    if (const auto top_k = fields.integer("top_k", -1, kMaxInt)) {
        sampling.top_k = static_cast<int32_t>(std::max<int64_t>(*top_k, 0));
    } else if (defaults.top_k) {
        sampling.top_k = *defaults.top_k;
    }
    if (const auto seed =
            fields.integer("seed", std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()))
        sampling.seed = static_cast<uint64_t>(*seed);
}

void read_logit_bias(FieldReader& fields, const RequestRules& rules, engine::SamplingParams& sampling) {
    const json::object* biases = fields.object("logit_bias");
    if (!biases) return;
    if (biases->size() > kMaxListed)
        return fields.refuse("logit_bias", fmt::format("has {} entries; at most {}", biases->size(), kMaxListed));
    for (const auto& [key, value] : *biases) {
        int32_t token = -1;
        const auto [end, failure] = std::from_chars(key.data(), key.data() + key.size(), token);
        if (failure != std::errc() || end != key.data() + key.size() || token < 0 || token >= rules.vocabulary)
            return fields.refuse("logit_bias", fmt::format("'{}' is not a token id from 0 to {}",
                                                           quotable(std::string_view(key.data(), key.size()), 40),
                                                           rules.vocabulary - 1));
        if (!value.is_number()) return fields.refuse_type(fmt::format("logit_bias.{}", token), "a number", value);
        const double bias = value.to_number<double>();
        if (!(bias >= -100 && bias <= 100))
            return fields.refuse(fmt::format("logit_bias.{}", token), "must be from -100 to 100");
        sampling.logit_bias.emplace_back(token, static_cast<float>(bias));
    }
    std::sort(sampling.logit_bias.begin(), sampling.logit_bias.end());
}

void read_stop_strings(FieldReader& fields, std::vector<std::string>& stop) {
    const json::value* value = fields.find("stop");
    if (!value) return;
    if (value->is_string()) {
        stop.emplace_back(value->get_string());
    } else if (const json::array* list = fields.array("stop")) {
        if (list->size() > kMaxStopStrings)
            return fields.refuse("stop", fmt::format("has {} strings; at most {}", list->size(), kMaxStopStrings));
        for (size_t i = 0; i < list->size(); ++i) {
            const json::value& element = (*list)[i];
            if (!element.is_string()) return fields.refuse_type(fmt::format("stop[{}]", i), "a string", element);
            stop.emplace_back(element.get_string());
        }
    }
    for (const std::string& text : stop) {
        if (text.empty()) return fields.refuse("stop", "has an empty string");
        if (text.size() > kMaxStopBytes)
            return fields.refuse("stop", fmt::format("has a string over {} bytes", kMaxStopBytes));
    }
}

void read_stopping(FieldReader& fields, const RequestRules& rules, GenerationRequest& request) {
    read_stop_strings(fields, request.stop);
    request.own_stop_ids = fields.integers("stop_token_ids", 0, rules.vocabulary - 1);
    if (request.own_stop_ids.size() > kMaxListed)
        fields.refuse("stop_token_ids", fmt::format("has {} ids; at most {}", request.own_stop_ids.size(), kMaxListed));
    std::sort(request.own_stop_ids.begin(), request.own_stop_ids.end());
    engine::SamplingParams& sampling = request.sampling;
    sampling.stop_ids = request.own_stop_ids;
    if (!fields.flag("ignore_eos").value_or(false))
        sampling.stop_ids.insert(sampling.stop_ids.end(), rules.defaults.end_ids.begin(), rules.defaults.end_ids.end());
    sampling.min_tokens = static_cast<int32_t>(fields.integer("min_tokens", 0, kMaxInt).value_or(0));
    request.include_stop_in_output = fields.flag("include_stop_str_in_output").value_or(false);
}

void read_streaming(FieldReader& fields, GenerationRequest& request) {
    request.stream = fields.flag("stream").value_or(false);
    const json::object* options = fields.object("stream_options");
    if (!options) return;
    if (!request.stream) return fields.refuse("stream_options", "is only allowed with 'stream': true");
    FieldReader nested(*options, "stream_options.");
    request.include_usage = nested.flag("include_usage").value_or(false);
    request.continuous_usage = nested.flag("continuous_usage_stats").value_or(false);
    if (!nested.ok()) fields.adopt(*nested.failure());
}

bool asks_for_something(const json::value& value) {
    if (value.is_bool()) return value.get_bool();
    if (value.is_string()) return !value.get_string().empty();
    if (value.is_array()) return !value.get_array().empty();
    if (value.is_object()) return !value.get_object().empty();
    return true;
}

}  // namespace

void read_generation_fields(FieldReader& fields, const RequestRules& rules, GenerationRequest& request) {
    read_sampling(fields, rules, request.sampling);
    read_logit_bias(fields, rules, request.sampling);
    read_stopping(fields, rules, request);
    read_streaming(fields, request);
    request.choices = static_cast<int32_t>(fields.integer("n", 1, rules.max_choices).value_or(1));
    request.skip_special_tokens = fields.flag("skip_special_tokens").value_or(true);
    request.return_token_ids = fields.flag("return_token_ids").value_or(false);
    request.tokens_as_ids = fields.flag("return_tokens_as_token_ids").value_or(false);
    if (const auto count = fields.integer("prompt_logprobs", 0, rules.max_logprobs)) {
        request.sampling.prompt_logprobs = static_cast<int32_t>(*count);
        if (request.stream) fields.refuse("prompt_logprobs", "is not available with 'stream': true");
    }
    refuse_unsupported(fields);
}

void refuse_unsupported(FieldReader& fields) {
    for (const char* field : {"suffix", "use_beam_search", "structured_outputs", "guided_json", "guided_regex",
                              "guided_choice", "guided_grammar", "functions", "function_call", "audio", "prompt_embeds",
                              "truncate_prompt_tokens", "bad_words", "allowed_token_ids", "logprob_token_ids",
                              "thinking_token_budget", "chat_template", "kv_transfer_params"}) {
        const json::value* value = fields.find(field);
        if (value && asks_for_something(*value))
            fields.refuse(field, "is not supported by this server", "unsupported_parameter");
    }
    if (const auto best_of = fields.integer("best_of", 1, kMaxInt);
        best_of && best_of != fields.integer("n", 1, kMaxInt).value_or(1))
        fields.refuse("best_of", "is not supported by this server unless it equals 'n'", "unsupported_parameter");
    if (const auto penalty = fields.number("length_penalty", -1e9, 1e9); penalty && *penalty != 1)
        fields.refuse("length_penalty", "is not supported by this server", "unsupported_parameter");
    if (const json::object* format = fields.object("response_format")) {
        const json::value* type = format->if_contains("type");
        if (!type || !type->is_string()) {
            fields.refuse("response_format.type", "must be a string", "invalid_type");
        } else if (type->get_string() != "text") {
            fields.refuse("response_format", "this server answers with text only", "unsupported_parameter");
        }
    }
}

}  // namespace hone::serve

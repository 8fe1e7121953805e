#include "serve/openai/generation_fields.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

namespace hone::serve {

namespace json = boost::json;

namespace {

constexpr size_t kMaxStopStrings = 16;
constexpr size_t kMaxStopBytes = 16384;  // together
constexpr size_t kMaxSaltBytes = 256;

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
    using engine::kMaxPenalty;
    set(sampling.temperature, fields.number("temperature", 0, engine::kMaxTemperature), defaults.temperature);
    if (sampling.temperature < engine::kGreedyTemperature) sampling.temperature = 0;
    const auto top_p = fields.number("top_p", 0, 1);
    if (top_p == 0.0) fields.refuse("top_p", "must be above 0");
    set(sampling.top_p, top_p, defaults.top_p);
    sampling.top_p = std::max(sampling.top_p, std::numeric_limits<float>::min());  // what is smaller asks for no more
    set(sampling.min_p, fields.number("min_p", 0, 1), defaults.min_p);
    set(sampling.repetition_penalty,
        fields.number("repetition_penalty", engine::kMinRepetitionPenalty, engine::kMaxRepetitionPenalty),
        defaults.repetition_penalty);
    const auto penalty = [&](const char* field) {
        return static_cast<float>(fields.number(field, -kMaxPenalty, kMaxPenalty).value_or(0));
    };
    sampling.presence_penalty = penalty("presence_penalty");
    sampling.frequency_penalty = penalty("frequency_penalty");
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
    if (biases->size() > engine::kMaxListed)
        return fields.refuse("logit_bias",
                             fmt::format("has {} entries; at most {}", biases->size(), engine::kMaxListed));
    for (const auto& [key, value] : *biases) {
        int32_t token = -1;
        const auto [end, failure] = std::from_chars(key.data(), key.data() + key.size(), token);
        if (failure != std::errc() || end != key.data() + key.size() || token < 0 || token >= rules.vocabulary)
            return fields.refuse("logit_bias", fmt::format("'{}' is not a token id from 0 to {}",
                                                           quotable(std::string_view(key.data(), key.size()), 40),
                                                           rules.vocabulary - 1));
        if (!value.is_number()) return fields.refuse_type(fmt::format("logit_bias.{}", token), "a number", value);
        const double bias = value.to_number<double>();
        if (!(bias >= -engine::kMaxBias && bias <= engine::kMaxBias))
            return fields.refuse(fmt::format("logit_bias.{}", token),
                                 fmt::format("must be from {} to {}", -engine::kMaxBias, engine::kMaxBias));
        sampling.logit_bias.emplace_back(token, static_cast<float>(bias));
    }
    std::sort(sampling.logit_bias.begin(), sampling.logit_bias.end());
    // "1" and "01" are two keys of one token, and their biases would add up beyond the limit.
    const auto twice = std::adjacent_find(sampling.logit_bias.begin(), sampling.logit_bias.end(),
                                          [](const auto& a, const auto& b) { return a.first == b.first; });
    if (twice != sampling.logit_bias.end())
        fields.refuse("logit_bias", fmt::format("names token {} more than once", twice->first));
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
    size_t bytes = 0;
    for (const std::string& text : stop) {
        if (text.empty()) return fields.refuse("stop", "has an empty string");
        bytes += text.size();
    }
    if (bytes > kMaxStopBytes)
        fields.refuse("stop", fmt::format("has {} bytes of text; at most {}", bytes, kMaxStopBytes));
}

// A sequence that may not end yet needs a token that does not end it.
void check_something_can_be_drawn(FieldReader& fields, const RequestRules& rules,
                                  const engine::SamplingParams& sampling) {
    if (sampling.min_tokens == 0) return;
    std::vector<int32_t> ends = sampling.stop_ids;
    std::sort(ends.begin(), ends.end());
    ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
    const auto count = std::count_if(ends.begin(), ends.end(), [&](int32_t id) { return id < rules.vocabulary; });
    if (count >= rules.vocabulary)
        fields.refuse("stop_token_ids", "names every token of the vocabulary, so that 'min_tokens' cannot be reached");
}

void read_stopping(FieldReader& fields, const RequestRules& rules, GenerationRequest& request) {
    read_stop_strings(fields, request.stop);
    request.own_stop_ids = fields.integers("stop_token_ids", 0, rules.vocabulary - 1);
    std::sort(request.own_stop_ids.begin(), request.own_stop_ids.end());
    request.own_stop_ids.erase(std::unique(request.own_stop_ids.begin(), request.own_stop_ids.end()),
                               request.own_stop_ids.end());
    engine::SamplingParams& sampling = request.sampling;
    sampling.stop_ids = request.own_stop_ids;
    if (!fields.flag("ignore_eos").value_or(false))
        sampling.stop_ids.insert(sampling.stop_ids.end(), rules.defaults.end_ids.begin(), rules.defaults.end_ids.end());
    if (sampling.stop_ids.size() > engine::kMaxListed)
        fields.refuse("stop_token_ids", fmt::format("has {} ids, those of the model included; at most {}",
                                                    sampling.stop_ids.size(), engine::kMaxListed));
    sampling.min_tokens = static_cast<int32_t>(fields.integer("min_tokens", 0, kMaxInt).value_or(0));
    check_something_can_be_drawn(fields, rules, sampling);
    request.include_stop_in_output = fields.flag("include_stop_str_in_output").value_or(false);
}

void read_cache_salt(FieldReader& fields, GenerationRequest& request) {
    const auto salt = fields.text("cache_salt");
    if (!salt) return;
    if (salt->empty()) return fields.refuse("cache_salt", "must not be empty; leave it out to share with everybody");
    if (salt->size() > kMaxSaltBytes)
        return fields.refuse("cache_salt", fmt::format("has {} bytes; at most {}", salt->size(), kMaxSaltBytes));
    request.cache_salt = *salt;
}

void read_follow_adapter(FieldReader& fields, GenerationRequest& request) {
    request.follow_adapter = fields.flag("follow_adapter").value_or(false);
    if (request.follow_adapter && !request.adapter)
        fields.refuse("follow_adapter", "needs an adapter, and 'model' names the model itself");
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
    read_cache_salt(fields, request);
    read_follow_adapter(fields, request);
    request.choices = static_cast<int32_t>(fields.integer("n", 1, rules.max_choices).value_or(1));
    request.priority =
        static_cast<int32_t>(fields.integer("priority", std::numeric_limits<int32_t>::min(), kMaxInt).value_or(0));
    request.skip_special_tokens = fields.flag("skip_special_tokens").value_or(true);
    request.return_token_ids = fields.flag("return_token_ids").value_or(false);
    request.tokens_as_ids = fields.flag("return_tokens_as_token_ids").value_or(false);
    if (const auto count = fields.integer("prompt_logprobs", 0, rules.max_logprobs)) {
        request.sampling.prompt_logprobs = static_cast<int32_t>(*count);
        request.prompt_logprobs = request.sampling.prompt_logprobs;
        if (request.stream) fields.refuse("prompt_logprobs", "is not available with 'stream': true");
    }
    request.form = read_answer_form(fields);
    refuse_unsupported(fields);
}

namespace {

// What vLLM, llama.cpp, Text Generation Inference and OpenAI's API call constraints on the answer's form, other ways of
// decoding, and other inputs and outputs than text.
constexpr const char* kUnsupported[] = {"allowed_token_ids",
                                        "audio",
                                        "bad_words",
                                        "chat_template",
                                        "ebnf",
                                        "function_call",
                                        "functions",
                                        "grammar",
                                        "guided_whitespace_pattern",
                                        "json_mode",
                                        "json_schema",
                                        "kv_transfer_params",
                                        "logit_processors",
                                        "logits_processors",
                                        "logprob_token_ids",
                                        "prompt_embeds",
                                        "regex",
                                        "structural_tag",
                                        "suffix",
                                        "thinking_token_budget",
                                        "truncate_prompt_tokens",
                                        "use_beam_search",
                                        "web_search_options"};

// Numbers that change the answer unless they have this value.
constexpr std::pair<const char*, double> kNeutral[] = {{"diversity_penalty", 0},
                                                       {"dry_multiplier", 0},
                                                       {"dynatemp_range", 0},
                                                       {"epsilon_cutoff", 0},
                                                       {"eta_cutoff", 0},
                                                       {"length_penalty", 1},
                                                       {"mirostat", 0},
                                                       {"mirostat_mode", 0},
                                                       {"no_repeat_ngram_size", 0},
                                                       {"num_beams", 1},
                                                       {"penalty_alpha", 0},
                                                       {"repeat_penalty", 1},
                                                       {"smoothing_factor", 0},
                                                       {"tfs", 1},
                                                       {"tfs_z", 1},
                                                       {"top_a", 0},
                                                       {"typical_p", 1},
                                                       {"xtc_probability", 0}};

constexpr const char* kNotHere = "is not supported by this server";

}  // namespace

void refuse_unsupported(FieldReader& fields) {
    for (const char* field : kUnsupported) {
        const json::value* value = fields.find(field);
        if (value && asks_for_something(*value)) fields.refuse(field, kNotHere, "unsupported_parameter");
    }
    constexpr double kAny = std::numeric_limits<double>::max();
    for (const auto& [field, neutral] : kNeutral) {
        if (const auto number = fields.number(field, -kAny, kAny); number && *number != neutral)
            fields.refuse(field, fmt::format("{} unless it is {}", kNotHere, neutral), "unsupported_parameter");
    }
    if (!fields.flag("spaces_between_special_tokens").value_or(true))
        fields.refuse("spaces_between_special_tokens", fmt::format("{} unless it is true", kNotHere),
                      "unsupported_parameter");
    if (const auto best_of = fields.integer("best_of", 1, kMaxInt);
        best_of && best_of != fields.integer("n", 1, kMaxInt).value_or(1))
        fields.refuse("best_of", fmt::format("{} unless it equals 'n'", kNotHere), "unsupported_parameter");
    if (const json::array* modalities = fields.array("modalities"))
        for (const json::value& kind : *modalities)
            if (!kind.is_string() || kind.get_string() != "text")
                fields.refuse("modalities", "this server answers with text only", "unsupported_parameter");
}

}  // namespace hone::serve

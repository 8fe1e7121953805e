#include "model/adapter_config.h"

#include <cmath>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "model/adapter_file.h"
#include "model/checkpoint/strict_json.h"
#include "model/printable.h"

namespace hone::model {

namespace json = boost::json;

namespace {

constexpr size_t kMaxBytes = size_t{16} << 20;

// What would change the results and is not computed here, unless the field is absent or says so in one of these ways.
struct Refusal {
    std::string_view field, why;
};
constexpr Refusal kRefusals[] = {
    {"use_dora", "DoRA scales the weights themselves"},
    {"lora_bias", "biases of factors are not computed"},
    {"fan_in_fan_out", "transposed weights are of other architectures"},
    {"modules_to_save", "whole modules are no low-rank adapter; export a model with them instead"},
    {"trainable_token_indices", "trained embeddings are no low-rank adapter"},
    {"layer_replication", "layers that are used twice are another model"},
    {"alora_invocation_tokens", "adapters that begin within a text are not computed"},
    {"use_qalora", "QALoRA pools its input"},
    {"use_bdlora", "block-diagonal factors are not computed"},
    {"arrow_config", "mixtures of adapters are not computed"},
    {"megatron_config", "adapters of Megatron's layers are not read"},
};

// Ways to begin an adapter that change the base weights, which are then no longer those of the model.
constexpr std::string_view kChangedBases[] = {"pissa", "olora", "corda", "loftq", "lora_ga"};

bool says_nothing(const json::value& value) {
    if (value.is_null() || (value.is_bool() && !value.get_bool())) return true;
    if (value.is_array()) return value.get_array().empty();
    return value.is_object() && value.get_object().empty();
}

std::optional<double> as_positive(const json::value* value) {
    if (!value || !value->is_number()) return std::nullopt;
    const double number = value->to_number<double>();
    return std::isfinite(number) && number > 0 ? std::optional(number) : std::nullopt;
}

std::optional<double> as_rank(const json::value* value) {
    const auto whole = value ? as_whole(*value) : std::nullopt;
    const bool is_rank = whole && *whole >= 1 && *whole <= static_cast<uint64_t>(kMaxAdapterRank);
    return is_rank ? std::optional(static_cast<double>(*whole)) : std::nullopt;
}

// PEFT's keys are regular expressions; names with anchors and escaped dots are what they are in practice. Gives the
// plain name, with "^" in front where it has to be the whole one.
std::optional<std::string> plain_name(std::string_view key) {
    std::string name;
    for (size_t i = 0; i < key.size(); i++) {
        const char c = key[i];
        if (c == '\\' && i + 1 < key.size() && key[i + 1] == '.') continue;
        if (c == '$' && i + 1 == key.size()) continue;
        const bool is_plain = std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' || c == '.';
        if (!is_plain && !(c == '^' && i == 0)) return std::nullopt;
        name += c;
    }
    return name;
}

bool matches(std::string_view pattern, std::string_view module) {
    if (pattern.starts_with('^')) return module == pattern.substr(1);
    if (!module.ends_with(pattern)) return false;
    return module.size() == pattern.size() || module[module.size() - pattern.size() - 1] == '.';
}

double value_for(const std::vector<std::pair<std::string, double>>& patterns, std::string_view module, double other) {
    for (const auto& [pattern, value] : patterns)
        if (matches(pattern, module)) return value;
    return other;
}

Status refuse_what_is_not_done(const json::object& fields) {
    const auto* type = fields.if_contains("peft_type");
    if (type && (!type->is_string() || type->get_string() != "LORA"))
        return error("field 'peft_type' is {}; LORA is what can be read", json::serialize(*type));
    for (const auto& [field, why] : kRefusals) {
        const auto* value = fields.if_contains(field);
        if (value && !says_nothing(*value)) return error("field '{}' is set: {}", field, why);
    }
    const auto* bias = fields.if_contains("bias");
    if (bias && (!bias->is_string() || bias->get_string() != "none"))
        return error("field 'bias' is {}; trained biases are not computed", json::serialize(*bias));
    const auto* begun = fields.if_contains("init_lora_weights");
    for (const auto way : kChangedBases) {
        if (begun && begun->is_string() && std::string_view(begun->get_string()).starts_with(way))
            return error(
                "field 'init_lora_weights' is {}, which changes the base weights; convert the adapter to a plain one "
                "with PEFT (save_pretrained with path_initial_model_for_weight_conversion)",
                json::serialize(*begun));
    }
    return ok();
}

}  // namespace

Status AdapterConfig::read_patterns(const json::object& fields) {
    struct Kind {
        std::string_view field, expected;
        std::optional<double> (*read)(const json::value*);
        std::vector<std::pair<std::string, double>>& out;
    };
    const Kind kinds[] = {{"rank_pattern", "a rank", as_rank, ranks_},
                          {"alpha_pattern", "a number above 0", as_positive, alphas_}};
    for (const auto& [field, expected, read, out] : kinds) {
        const auto* patterns = fields.if_contains(field);
        if (!patterns || says_nothing(*patterns)) continue;
        if (!patterns->is_object()) return error("field '{}' must be an object", field);
        for (const auto& entry : patterns->get_object()) {
            const auto name = plain_name(entry.key());
            const auto value = read(&entry.value());
            if (!name)
                return error("field '{}': {} is a regular expression; write the names of modules", field,
                             in_quotes(entry.key()));
            if (!value) return error("field '{}': {} must have {}", field, in_quotes(entry.key()), expected);
            out.emplace_back(*name, *value);
        }
    }
    return ok();
}

Result<AdapterConfig> AdapterConfig::read(const std::filesystem::path& path) {
    const auto fields = read_json_object(path, kMaxBytes);
    if (!fields) return fields.error();
    AdapterConfig config;
    const auto rank = as_rank(fields->if_contains("r"));
    if (!rank) return error("{}: field 'r' must be a rank from 1 to {}", path.string(), kMaxAdapterRank);
    const auto alpha = as_positive(fields->if_contains("lora_alpha"));
    if (!alpha) return error("{}: field 'lora_alpha' must be a number above 0", path.string());
    config.rank_ = static_cast<int32_t>(*rank);
    config.alpha_ = *alpha;
    const auto* stabilised = fields->if_contains("use_rslora");
    config.rank_stabilised_ = stabilised && stabilised->is_bool() && stabilised->get_bool();
    const auto* base = fields->if_contains("base_model_name_or_path");
    if (base && base->is_string()) config.base_model_ = base->get_string();
    if (const Status fine = refuse_what_is_not_done(*fields); !fine) return fine.error().within(path.string());
    if (const Status fine = config.read_patterns(*fields); !fine) return fine.error().within(path.string());
    return config;
}

int32_t AdapterConfig::rank_of(std::string_view module) const {
    return static_cast<int32_t>(value_for(ranks_, module, rank_));
}

double AdapterConfig::alpha_of(std::string_view module, int32_t rank) const {
    const double alpha = value_for(alphas_, module, alpha_);
    return rank_stabilised_ ? alpha * std::sqrt(rank) : alpha;
}

}  // namespace hone::model

#include "serve/openai/generation_defaults.h"

#include <algorithm>

#include "engine/decode/sampling_params.h"
#include "serve/openai/field_reader.h"

namespace hone::serve {

namespace json = boost::json;

namespace {

constexpr size_t kMaxConfigBytes = size_t{4} << 20;

std::optional<float> as_float(std::optional<double> number) {
    return number ? std::optional(static_cast<float>(*number)) : std::nullopt;
}

void add_end_ids(FieldReader& fields, std::vector<int32_t>& end_ids) {
    const json::value* value = fields.find("eos_token_id");
    if (!value) return;
    std::vector<int32_t> ids;
    if (value->is_array()) {
        ids = fields.integers("eos_token_id", 0, kMaxInt);
    } else if (const auto id = fields.integer("eos_token_id", 0, kMaxInt)) {
        ids.push_back(static_cast<int32_t>(*id));
    }
    for (const int32_t id : ids)
        if (std::find(end_ids.begin(), end_ids.end(), id) == end_ids.end()) end_ids.push_back(id);
}

// Runs `read` on the object in the file, if there is one of that name.
template <class Read>
Status read_config(const FileSet& files, const std::string& name, Read read) {
    if (!files.has(name)) return ok();
    const Result<std::string> text = files.read(name, kMaxConfigBytes);
    if (!text.ok()) return text.error();
    json::value config;
    std::optional<ApiError> problem = parse_json_object(*text, config);
    if (!problem) {
        FieldReader fields(config.get_object());
        read(fields);
        problem = fields.failure();
    }
    return problem ? Status(error("{}: {}", files.path_of(name), problem->message)) : ok();
}

}  // namespace

Result<GenerationDefaults> load_generation_defaults(const FileSet& files) {
    GenerationDefaults defaults;
    const Status generation = read_config(files, "generation_config.json", [&](FieldReader& fields) {
        defaults.temperature = as_float(fields.number("temperature", 0, engine::kMaxTemperature));
        defaults.top_p = as_float(fields.number("top_p", 0, 1));
        defaults.min_p = as_float(fields.number("min_p", 0, 1));
        defaults.repetition_penalty =
            as_float(fields.number("repetition_penalty", engine::kMinRepetitionPenalty, engine::kMaxRepetitionPenalty));
        if (const auto top_k = fields.integer("top_k", -1, kMaxInt))
            defaults.top_k = static_cast<int32_t>(std::max<int64_t>(*top_k, 0));
        if (const auto limit = fields.integer("max_new_tokens", 1, kMaxInt))
            defaults.max_new_tokens = static_cast<int32_t>(*limit);
        add_end_ids(fields, defaults.end_ids);
    });
    if (!generation) return generation.error();
    const Status config =
        read_config(files, "config.json", [&](FieldReader& fields) { add_end_ids(fields, defaults.end_ids); });
    if (!config) return config.error();
    if (defaults.top_p == 0.0f) defaults.top_p = 1.0f;
    return defaults;
}

}  // namespace hone::serve

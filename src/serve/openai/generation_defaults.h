// What a model's own files say about sampling from it, for requests that do not say. Plain data, read once at start.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/file_set.h"
#include "base/result.h"

namespace hone::serve {

struct GenerationDefaults {
    std::optional<float> temperature, top_p, min_p, repetition_penalty;
    std::optional<int32_t> top_k;
    std::optional<int32_t> max_new_tokens;  // upper limit where a request names none
    std::vector<int32_t> end_ids;           // end-of-sequence tokens
};

// From generation_config.json and, for end-of-sequence ids, config.json too; a file that is absent
// says nothing. The tokenizer's own end-of-sequence token is the caller's to add. Fails on a file that cannot be read
// or a field of the wrong type or out of range, naming both.
Result<GenerationDefaults> load_generation_defaults(const FileSet& files);

}  // namespace hone::serve

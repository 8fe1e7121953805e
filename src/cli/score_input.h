// Reading the sequences of `hone score`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/checkpoint/load.h"

namespace hone::cli {

// Token ids of every line of a JSONL file: {"ids": [...]}, or {"text": "..."} through the model's tokenizer. Each has
// at least one token, all inside the vocabulary. Errors name file and line.
Result<std::vector<std::vector<int32_t>>> read_score_input(const std::string& path, const model::LoadedModel& loaded);

}  // namespace hone::cli

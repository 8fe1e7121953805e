// Reading the sequences of `hone score`, and the texts of `hone eval`.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <boost/json/value.hpp>

#include "base/result.h"
#include "model/checkpoint/load.h"

namespace hone::cli {

struct ScoreSequence {
    std::vector<int32_t> ids;
    size_t line = 0;  // of the file
};

// Token ids of every line of a JSONL file: {"ids": [...]}, or {"text": "..."} through the model's tokenizer. Each has
// at least one token, all inside the vocabulary. Errors name file and line.
Result<std::vector<ScoreSequence>> read_score_input(const std::string& path, const model::LoadedModel& loaded);

// The one with most tokens of some.
const ScoreSequence& longest_of(std::span<const ScoreSequence> sequences);

// What can be found wrong with the value of such a line before there is a model.
Status check_score_line(const boost::json::value& line);

}  // namespace hone::cli

// The special tokens that a model's files name: bos_token, eos_token and the others, with their texts.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/file_set.h"
#include "base/result.h"

namespace hone::text {

using SpecialTokens = std::vector<std::pair<std::string, std::string>>;

// Of tokenizer_config.json, and those that only special_tokens_map.json has; empty without these files. Errors name the
// file and the field.
Result<SpecialTokens> load_special_tokens(const FileSet& files);

// The text of the token of that name ("eos_token"); null if it has none.
const std::string* find_token(const SpecialTokens& tokens, std::string_view name);

}  // namespace hone::text

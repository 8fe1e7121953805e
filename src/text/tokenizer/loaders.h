// The three file formats. Each loader reads its files from a folder, checks everything, and gives the parts of a
// Tokenizer or an Error that names file and field. Stateless, any thread.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "text/tokenizer/json_view.h"
#include "text/tokenizer/tokenizer.h"
#include "text/tokenizer/tokenizer_parts.h"

namespace hone::text {

// The largest published tokenizer.json has 33 MB; tables made from a file take up to thirty times its size.
inline constexpr size_t kLargestFile = size_t{64} << 20;

// What tokenizer_config.json and special_tokens_map.json add to the vocabulary file.
struct TokenizerConfig {
    std::string tokenizer_class;
    std::optional<std::string> bos_token, eos_token;
    std::optional<bool> add_bos_token, add_eos_token;
    std::vector<AddedToken> added_tokens;  // added_tokens_decoder
};

// One entry of added_tokens or added_tokens_decoder; what is wrong with it is kept by the view.
AddedToken read_added_token(const JsonView& token, int64_t id);

// Files that are not there leave their fields empty.
Result<TokenizerConfig> load_tokenizer_config(const std::filesystem::path& folder);

Result<TokenizerParts> load_tokenizer_json(const std::filesystem::path& file);
Result<TokenizerParts> load_tiktoken(const std::filesystem::path& file, const TokenizerConfig& config,
                                     const LoadOptions& options);
Result<TokenizerParts> load_sentencepiece(const std::filesystem::path& file, const TokenizerConfig& config);

}  // namespace hone::text

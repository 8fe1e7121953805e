// The three file formats. Each loader reads its file, checks everything, and gives the parts of a Tokenizer or an Error
// that names file and field. Stateless, any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/file_set.h"
#include "base/result.h"
#include "text/json_view.h"
#include "text/tokenizer/tokenizer.h"
#include "text/tokenizer/tokenizer_parts.h"

namespace hone::text {

inline constexpr const char* kTokenizerJson = "tokenizer.json";
inline constexpr const char* kTiktokenModel = "tiktoken.model";
inline constexpr const char* kSentencePieceModel = "tokenizer.model";

inline constexpr size_t kLargestVocabularyFile = size_t{64} << 20;  // the largest published ones have 10 MB

// What tokenizer_config.json adds to the vocabulary file.
struct TokenizerConfig {
    std::string tokenizer_class;
    std::optional<bool> add_bos_token, add_eos_token;
    std::vector<AddedToken> added_tokens;  // added_tokens_decoder
};

// One entry of added_tokens or added_tokens_decoder; what is wrong with it is kept by the view.
AddedToken read_added_token(const JsonView& token, int64_t id);

// Empty without the file.
Result<TokenizerConfig> load_tokenizer_config(const FileSet& files);

Result<TokenizerParts> load_tokenizer_json(const FileSet& files);
Result<TokenizerParts> load_tiktoken(const FileSet& files, const TokenizerConfig& config, const LoadOptions& options);
Result<TokenizerParts> load_sentencepiece(const FileSet& files, const TokenizerConfig& config);

}  // namespace hone::text

#include "text/special_tokens.h"
#include "text/tokenizer/loaders.h"

namespace hone::text {

bool has_tokenizer(const FileSet& files) {
    return files.has(kTokenizerJson) || files.has(kTiktokenModel) || files.has(kSentencePieceModel);
}

static Result<TokenizerParts> load_vocabulary(const FileSet& files, const TokenizerConfig& config,
                                              const LoadOptions& options) {
    if (files.has(kTokenizerJson)) return load_tokenizer_json(files);
    if (files.has(kTiktokenModel)) return load_tiktoken(files, config, options);
    if (files.has(kSentencePieceModel)) return load_sentencepiece(files, config);
    return error("{}: no {}, {} or {} there", files.where(), kTokenizerJson, kTiktokenModel, kSentencePieceModel);
}

Result<std::unique_ptr<Tokenizer>> Tokenizer::load(const FileSet& files, const LoadOptions& options) {
    const auto config = load_tokenizer_config(files);
    if (!config) return config.error();
    const auto special_tokens = load_special_tokens(files);
    if (!special_tokens) return special_tokens.error();
    auto parts = load_vocabulary(files, *config, options);
    if (!parts) return parts.error();
    // A named token that the vocabulary does not have is no token.
    if (const auto* bos = find_token(*special_tokens, "bos_token")) parts->bos = parts->vocabulary.find(*bos);
    if (const auto* eos = find_token(*special_tokens, "eos_token")) parts->eos = parts->vocabulary.find(*eos);
    return std::make_unique<Tokenizer>(std::move(*parts));
}

Result<std::unique_ptr<Tokenizer>> Tokenizer::of_ids(int32_t vocabulary) {
    TokenizerParts parts;
    for (TokenId id = 0; id < vocabulary; ++id) {
        const std::string token = fmt::format("⟨{}⟩", id);
        if (const Status added = parts.vocabulary.add(id, token); !added) return added.error();
        parts.decoder.tokens.set(id, token);
    }
    return std::make_unique<Tokenizer>(std::move(parts));
}

}  // namespace hone::text

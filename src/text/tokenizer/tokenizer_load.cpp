#include "text/tokenizer/loaders.h"

namespace hone::text {

Result<std::unique_ptr<Tokenizer>> Tokenizer::load(const std::filesystem::path& folder, const LoadOptions& options) {
    const auto config = load_tokenizer_config(folder);
    if (!config) return config.error();
    const auto exists = [&](const char* name) { return std::filesystem::exists(folder / name); };

    Result<TokenizerParts> parts =
        exists("tokenizer.json")   ? load_tokenizer_json(folder / "tokenizer.json")
        : exists("tiktoken.model") ? load_tiktoken(folder / "tiktoken.model", *config, options)
        : exists("tokenizer.model")
            ? load_sentencepiece(folder / "tokenizer.model", *config)
            : Result<TokenizerParts>(
                  error("{}: no tokenizer.json, tiktoken.model or tokenizer.model there", folder.string()));
    if (!parts) return parts.error();
    // A named token that the vocabulary does not have is no token.
    if (config->bos_token) parts->bos = parts->vocabulary.find(*config->bos_token);
    if (config->eos_token) parts->eos = parts->vocabulary.find(*config->eos_token);
    return std::make_unique<Tokenizer>(std::move(*parts));
}

}  // namespace hone::text

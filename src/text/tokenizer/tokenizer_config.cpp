#include <charconv>

#include "text/tokenizer/loaders.h"

namespace hone::text {

namespace {

void read_config(const JsonView& root, TokenizerConfig& config) {
    config.tokenizer_class = root["tokenizer_class"].text_or("");
    if (const auto flag = root["add_bos_token"]; flag.exists()) config.add_bos_token = flag.flag();
    if (const auto flag = root["add_eos_token"]; flag.exists()) config.add_eos_token = flag.flag();
    root["added_tokens_decoder"].for_each_member([&](std::string_view key, const JsonView& token) {
        int64_t id = -1;
        const auto parsed = std::from_chars(key.data(), key.data() + key.size(), id);
        if (parsed.ptr != key.data() + key.size() || id < 0 || id >= kMaxVocabulary) {
            return token.fail("the key is not a token id");
        }
        config.added_tokens.push_back(read_added_token(token, id));
    });
}

}  // namespace

AddedToken read_added_token(const JsonView& token, int64_t id) {
    AddedToken out;
    if (id < 0 || id >= kMaxVocabulary) token.fail(fmt::format("id {} is outside [0, {})", id, kMaxVocabulary));
    out.id = static_cast<TokenId>(id);
    out.content = token["content"].text();
    out.special = token["special"].flag_or(false);
    out.normalized = token["normalized"].flag_or(false);
    out.lstrip = token["lstrip"].flag_or(false);
    out.rstrip = token["rstrip"].flag_or(false);
    out.single_word = token["single_word"].flag_or(false);
    return out;
}

Result<TokenizerConfig> load_tokenizer_config(const FileSet& files) {
    constexpr const char* kFile = "tokenizer_config.json";
    TokenizerConfig config;
    if (!files.has(kFile)) return config;
    const Status read = read_json_file(files, kFile, [&](const JsonView& root) { read_config(root, config); });
    if (!read) return read.error();
    return config;
}

}  // namespace hone::text

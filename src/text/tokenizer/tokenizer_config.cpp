#include <charconv>

#include <boost/json/monotonic_resource.hpp>
#include <boost/json/parse.hpp>

#include "base/mapped_file.h"
#include "text/tokenizer/json_view.h"
#include "text/tokenizer/loaders.h"

namespace hone::text {

namespace {

using ReadFields = void (*)(const JsonView&, TokenizerConfig&);

Status read_file(const std::filesystem::path& file, TokenizerConfig& config, ReadFields read) {
    if (!std::filesystem::exists(file)) return ok();
    const auto text = read_text_file(file, kLargestFile);
    if (!text) return text.error();
    boost::json::monotonic_resource memory;
    boost::system::error_code code;
    const auto json = boost::json::parse(*text, code, &memory);
    if (code) return error("{}: not JSON: {}", file.string(), code.message());
    std::optional<Error> failure;
    read(JsonView(json, failure), config);
    if (failure) return failure->within(file.string());
    return ok();
}

// "bos_token": "<s>", or {"content": "<s>", ...}, or null.
void read_token(const JsonView& token, std::optional<std::string>& out) {
    if (!token.exists() || out) return;
    out = token.is_object() ? token["content"].text() : token.text();
}

void read_named_tokens(const JsonView& root, TokenizerConfig& config) {
    read_token(root["bos_token"], config.bos_token);
    read_token(root["eos_token"], config.eos_token);
}

void read_config(const JsonView& root, TokenizerConfig& config) {
    read_named_tokens(root, config);
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

Result<TokenizerConfig> load_tokenizer_config(const std::filesystem::path& folder) {
    TokenizerConfig config;
    if (const Status read = read_file(folder / "tokenizer_config.json", config, read_config); !read)
        return read.error();
    if (const Status read = read_file(folder / "special_tokens_map.json", config, read_named_tokens); !read) {
        return read.error();
    }
    return config;
}

}  // namespace hone::text

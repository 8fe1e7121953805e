#include "text/special_tokens.h"

#include "text/json_view.h"

namespace hone::text {

constexpr std::string_view kNames[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                       "pad_token", "cls_token", "mask_token"};

// "bos_token": "<s>", or {"content": "<s>", ...}, or null.
static void read_tokens(const JsonView& root, SpecialTokens& tokens) {
    for (const std::string_view name : kNames) {
        const JsonView token = root[name];
        if (!token.exists() || find_token(tokens, name)) continue;
        tokens.emplace_back(name, token.is_object() ? token["content"].text() : token.text());
    }
}

Result<SpecialTokens> load_special_tokens(const FileSet& files) {
    SpecialTokens tokens;
    for (const char* file : {"tokenizer_config.json", "special_tokens_map.json"}) {
        if (!files.has(file)) continue;
        const Status read = read_json_file(files, file, [&](const JsonView& root) { read_tokens(root, tokens); });
        if (!read) return read.error();
    }
    return tokens;
}

const std::string* find_token(const SpecialTokens& tokens, std::string_view name) {
    for (const auto& [known, text] : tokens)
        if (known == name) return &text;
    return nullptr;
}

}  // namespace hone::text

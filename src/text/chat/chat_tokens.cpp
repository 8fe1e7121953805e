#include "text/chat/chat_tokens.h"

#include <algorithm>

#include "text/chat/unicode_text.h"
#include "text/utf8.h"

namespace hone::text {

namespace {

Encoding encode(const Tokenizer& tokenizer, std::string_view text, const EncodeOptions& options, bool with_offsets) {
    return with_offsets ? tokenizer.encode_with_offsets(text, options) : Encoding{tokenizer.encode(text, options), {}};
}

// A text inside of another. It is encoded behind a newline whose ids are taken off again, so that a tokenizer that puts
// a blank in front of every text does not put one here.
Encoding encode_inside(const Tokenizer& tokenizer, std::string_view text, const EncodeOptions& options,
                       const std::vector<TokenId>& newline, bool with_offsets) {
    Encoding encoded = encode(tokenizer, "\n" + std::string(text), options, with_offsets);
    const bool has_newline =
        encoded.ids.size() >= newline.size() && std::equal(newline.begin(), newline.end(), encoded.ids.begin());
    if (!has_newline) return encode(tokenizer, text, options, with_offsets);
    const auto count = static_cast<std::ptrdiff_t>(newline.size());
    encoded.ids.erase(encoded.ids.begin(), encoded.ids.begin() + count);
    if (!with_offsets) return encoded;
    encoded.offsets.erase(encoded.offsets.begin(), encoded.offsets.begin() + count);
    for (auto& [begin, end] : encoded.offsets) {
        begin -= std::min(begin, 1u);
        end -= std::min(end, 1u);
    }
    return encoded;
}

std::vector<TokenId> newline_ids(const Tokenizer& tokenizer) {
    return tokenizer.encode("\n", {.add_special_tokens = false});
}

}  // namespace

ControlTokens control_tokens_of(const ChatTemplate& chat_template, const Tokenizer& tokenizer) {
    std::vector<std::string> tokens, model_tokens;
    for (const AddedToken& token : tokenizer.added_tokens()) {
        bool is_blank = chat::strip(token.content).empty();
        if (token.special)
            tokens.push_back(token.content);
        else if (!is_blank && chat_template.has_literal(token.content))
            model_tokens.push_back(token.content);
    }
    return ControlTokens(std::move(tokens), std::move(model_tokens));
}

std::vector<TokenId> encode_continuation(const Tokenizer& tokenizer, std::string_view text) {
    return encode_inside(tokenizer, text, {.add_special_tokens = false}, newline_ids(tokenizer), false).ids;
}

Result<Encoding> encode_marked_chat(const Tokenizer& tokenizer, const ControlTokens& control, std::string_view chat,
                                    bool with_offsets) {
    const std::vector<TokenId> newline = newline_ids(tokenizer);
    Encoding out;
    const char* counted = chat.data();  // up to where `before` counts code points
    size_t before = 0;
    for (const ChatPiece& piece : control.split(chat)) {
        const EncodeOptions options{.add_special_tokens = false,
                                    .parse_special_tokens = !piece.is_plain,
                                    .parse_added_tokens = !piece.is_plain};
        const bool is_first = piece.text.data() == chat.data();
        const Encoding more = is_first ? encode(tokenizer, piece.text, options, with_offsets)
                                       : encode_inside(tokenizer, piece.text, options, newline, with_offsets);
        const std::optional<TokenId> forbidden = piece.is_plain ? tokenizer.token_id(piece.text) : std::nullopt;
        if (forbidden && std::find(more.ids.begin(), more.ids.end(), *forbidden) != more.ids.end())
            return error(
                "the control token {} cannot be written as ordinary text: the tokenizer makes it of its characters",
                piece.text);
        out.ids.insert(out.ids.end(), more.ids.begin(), more.ids.end());
        before += count_code_points({counted, static_cast<size_t>(piece.text.data() - counted)});
        counted = piece.text.data();
        for (const auto& [begin, end] : more.offsets)
            out.offsets.emplace_back(begin + static_cast<uint32_t>(before), end + static_cast<uint32_t>(before));
    }
    return out;
}

Result<std::vector<TokenId>> encode_chat(const ChatTemplate& chat_template, const Tokenizer& tokenizer,
                                         const ChatRequest& request, const RenderOptions& options) {
    const ControlTokens control = control_tokens_of(chat_template, tokenizer);
    const Result<Rendered> chat = render_chat(chat_template, control.mark(request), options);
    if (!chat) return chat.error();
    Result<Encoding> encoded = encode_marked_chat(tokenizer, control, chat->text, false);
    if (!encoded) return encoded.error();
    return std::move(encoded->ids);
}

}  // namespace hone::text

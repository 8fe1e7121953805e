#include "text/chat/chat_tokens.h"

#include <algorithm>

#include "text/chat/unicode_text.h"

namespace hone::text {

namespace {

// The ids of a piece inside of a chat. It is encoded behind a newline whose ids are taken off again, so that a
// tokenizer that puts a blank in front of every text does not put one here.
std::vector<TokenId> encode_inside(const Tokenizer& tokenizer, const ChatPiece& piece,
                                   const std::vector<TokenId>& newline) {
    EncodeOptions options{
        .add_special_tokens = false, .parse_special_tokens = !piece.is_plain, .parse_added_tokens = !piece.is_plain};
    std::vector<TokenId> ids = tokenizer.encode("\n" + std::string(piece.text), options);
    bool has_newline = ids.size() >= newline.size() && std::equal(newline.begin(), newline.end(), ids.begin());
    if (!has_newline) return tokenizer.encode(piece.text, options);
    ids.erase(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(newline.size()));
    return ids;
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

Result<std::vector<TokenId>> encode_chat(const ChatTemplate& chat_template, const Tokenizer& tokenizer,
                                         const ChatRequest& request, const RenderOptions& options) {
    ControlTokens control = control_tokens_of(chat_template, tokenizer);
    Result<Rendered> chat = render_chat(chat_template, control.mark(request), options);
    if (!chat) return chat.error();
    std::vector<ChatPiece> pieces = control.split(chat->text);
    std::vector<TokenId> newline = tokenizer.encode("\n", {.add_special_tokens = false}), ids;
    for (const ChatPiece& piece : pieces) {
        bool is_first = piece.text.data() == chat->text.data();
        std::vector<TokenId> more = is_first ? tokenizer.encode(piece.text, {.add_special_tokens = false})
                                             : encode_inside(tokenizer, piece, newline);
        std::optional<TokenId> forbidden = piece.is_plain ? tokenizer.token_id(piece.text) : std::nullopt;
        if (forbidden && std::find(more.begin(), more.end(), *forbidden) != more.end())
            return error(
                "the control token {} cannot be written as ordinary text: the tokenizer makes it of its characters",
                piece.text);
        ids.insert(ids.end(), more.begin(), more.end());
    }
    return ids;
}

}  // namespace hone::text

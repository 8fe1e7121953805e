#include "text/chat/control_tokens.h"

#include <algorithm>

namespace hone::text {

namespace {

namespace json = boost::json;

constexpr char32_t kFirstMark = 0xF0000, kLastMark = 0xF0001;
constexpr std::string_view kStart = "\U000F0000", kEnd = "\U000F0001";

// Position of the next mark, either one, or npos.
size_t find_mark(std::string_view text, size_t from) {
    constexpr std::string_view kCommon = "\xF3\xB0\x80";  // what both begin with
    for (size_t at = text.find(kCommon, from); at != text.npos; at = text.find(kCommon, at + 1)) {
        std::string_view mark = text.substr(at, kStart.size());
        if (mark == kStart || mark == kEnd) return at;
    }
    return text.npos;
}

std::string without_marks(std::string_view text) {
    std::string out;
    size_t from = 0;
    for (size_t at = find_mark(text, 0); at != text.npos; at = find_mark(text, from)) {
        out += text.substr(from, at - from);
        from = at + kStart.size();
    }
    return out.append(text.substr(from));
}

}  // namespace

bool is_control_mark(char32_t code_point) {
    return code_point == kFirstMark || code_point == kLastMark;
}

ControlTokens::ControlTokens(std::vector<std::string> tokens, std::vector<std::string> model_tokens) {
    std::vector<Token> all;
    for (std::string& text : tokens) all.push_back({std::move(text), false});
    for (std::string& text : model_tokens) all.push_back({std::move(text), true});
    std::stable_sort(all.begin(), all.end(),
                     [](const Token& a, const Token& b) { return a.text.size() > b.text.size(); });
    for (Token& token : all)
        if (!token.text.empty()) by_first_byte_[static_cast<unsigned char>(token.text[0])].push_back(std::move(token));
}

size_t ControlTokens::match(std::string_view text, size_t at, bool with_models) const {
    for (const Token& token : by_first_byte_[static_cast<unsigned char>(text[at])])
        if ((with_models || !token.is_models) && text.substr(at).starts_with(token.text)) return token.text.size();
    return 0;
}

std::string ControlTokens::mark(std::string_view text, bool with_models) const {
    std::string clean = without_marks(text), out;
    for (size_t at = 0; at < clean.size();) {
        size_t bytes = match(clean, at, with_models);
        if (bytes == 0) {
            out += clean[at++];
            continue;
        }
        out.append(kStart).append(clean, at, bytes).append(kEnd);
        at += bytes;
    }
    return out;
}

void ControlTokens::mark(json::value& value, bool with_models) const {
    if (json::string* text = value.if_string()) {
        value = mark(std::string_view(*text), with_models);
    } else if (json::array* array = value.if_array()) {
        for (json::value& element : *array) mark(element, with_models);
    } else if (json::object* object = value.if_object()) {
        mark_members(*object, with_models);
    }
}

// Names are the user's too: those of a tool call's arguments, of a schema's properties.
void ControlTokens::mark_members(json::object& object, bool with_models) const {
    json::object marked(object.size());
    for (auto& member : object) {
        mark(member.value(), with_models);
        marked.emplace(mark(member.key(), with_models), std::move(member.value()));
    }
    object = std::move(marked);
}

ChatRequest ControlTokens::mark(ChatRequest request) const {
    for (json::value& message : request.messages) {
        const json::object* fields = message.if_object();
        const json::value* role = fields ? fields->if_contains("role") : nullptr;
        mark(message, !(role && *role == "assistant"));
    }
    for (std::optional<json::array>* list : {&request.tools, &request.documents})
        if (*list)
            for (json::value& element : **list) mark(element, true);
    for (auto& variable : request.variables) mark(variable.value(), true);
    return request;
}

std::vector<ChatPiece> ControlTokens::split(std::string_view chat) const {
    std::vector<ChatPiece> pieces;
    auto add = [&](std::string_view text, bool is_plain) {
        if (!text.empty()) pieces.push_back({text, is_plain});
    };
    size_t from = 0;
    for (size_t at = find_mark(chat, 0); at != chat.npos; at = find_mark(chat, from)) {
        add(chat.substr(from, at - from), false);
        from = at + kStart.size();
        bool opens = chat.substr(at).starts_with(kStart) && from < chat.size();
        size_t bytes = opens ? match(chat, from, true) : 0;
        if (bytes == 0 || !chat.substr(from + bytes).starts_with(kEnd)) continue;
        add(chat.substr(from, bytes), true);
        from += bytes + kEnd.size();
    }
    add(chat.substr(from), false);
    return pieces;
}

}  // namespace hone::text

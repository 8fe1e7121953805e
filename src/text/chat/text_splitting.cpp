#include "text/chat/text_splitting.h"

#include <algorithm>

#include "text/chat/unicode_text.h"

namespace hone::text::chat {

std::vector<std::string_view> split_text(std::string_view text, std::string_view separator, size_t most,
                                         bool from_right) {
    std::vector<std::string_view> pieces;
    while (pieces.size() < most) {
        size_t at = from_right ? text.rfind(separator) : text.find(separator);
        if (at == text.npos) break;
        std::string_view left = text.substr(0, at), right = text.substr(at + separator.size());
        pieces.push_back(from_right ? right : left);
        text = from_right ? left : right;
    }
    pieces.push_back(text);
    if (from_right) std::reverse(pieces.begin(), pieces.end());
    return pieces;
}

std::vector<std::string_view> split_blanks(std::string_view text, size_t most, bool from_right) {
    std::vector<std::string_view> pieces;
    while (true) {
        text = from_right ? strip_right(text) : strip_left(text);
        if (text.empty()) break;
        size_t at = from_right ? text.size() : 0;
        bool is_last = pieces.size() >= most;
        while (!is_last && at != (from_right ? 0 : text.size())) {
            size_t next = at;
            if (is_space(from_right ? previous_code_point(text, next) : next_code_point(text, next))) break;
            at = next;
        }
        if (is_last) {  // the rest, with its inner blanks
            pieces.push_back(text);
            break;
        }
        pieces.push_back(from_right ? text.substr(at) : text.substr(0, at));
        text = from_right ? text.substr(0, at) : text.substr(at);
    }
    if (from_right) std::reverse(pieces.begin(), pieces.end());
    return pieces;
}

std::vector<std::string_view> split_lines(std::string_view text, bool keeps_ends) {
    auto is_boundary = [](char32_t c) {
        return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
    };
    std::vector<std::string_view> lines;
    size_t line_start = 0;
    for (size_t at = 0; at < text.size();) {
        size_t end = at;
        char32_t c = next_code_point(text, at);
        if (!is_boundary(c)) continue;
        if (c == '\r' && at < text.size() && text[at] == '\n') ++at;
        lines.push_back(text.substr(line_start, (keeps_ends ? at : end) - line_start));
        line_start = at;
    }
    if (line_start < text.size()) lines.push_back(text.substr(line_start));
    return lines;
}

Value replace_text(Rendering& rendering, std::string_view text, std::string_view from, std::string_view to,
                   Integer times, bool is_markup) {
    if (!rendering.spend_on_text(text.size())) return rendering.nothing();
    if (times < 0) times = static_cast<Integer>(text.size()) + 1;
    std::string out;
    size_t copied = 0;
    size_t at = text.find(from);
    if (at == text.npos || times == 0) return Value::string(text, is_markup);
    for (; at != text.npos && times > 0; --times) {
        if (!rendering.admit_append(out.size(), at - copied + to.size())) return rendering.nothing();
        out += text.substr(copied, at - copied);
        out += to;
        copied = at + from.size();
        if (!from.empty())
            at = text.find(from, copied);
        else
            at = at < text.size() ? at + utf8_length(text[at]) : text.npos;
    }
    out += text.substr(copied);
    return rendering.text(out, is_markup);
}

std::string_view strip_characters(std::string_view text, std::string_view characters, bool at_left, bool at_right) {
    auto is_stripped = [&](std::string_view code_point) { return characters.find(code_point) != characters.npos; };
    while (at_left && !text.empty()) {
        size_t bytes = utf8_length(text[0]);
        if (!is_stripped(text.substr(0, bytes))) break;
        text.remove_prefix(bytes);
    }
    while (at_right && !text.empty()) {
        size_t before = text.size();
        previous_code_point(text, before);
        if (!is_stripped(text.substr(before))) break;
        text = text.substr(0, before);
    }
    return text;
}

}  // namespace hone::text::chat

#include "text/chat/markup.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "text/chat/python_text.h"
#include "text/chat/unicode_text.h"

namespace hone::text::chat {

std::string escape_html(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (char c : text) {
        switch (c) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '\'':
                out += "&#39;";
                break;
            case '"':
                out += "&#34;";
                break;
            default:
                out += c;
        }
    }
    return out;
}

std::string_view escaped(Rendering& rendering, const Value& value) {
    std::string_view text = to_str(rendering, value);
    bool is_plain = value.is_markup() || text.find_first_of("&<>'\"") == text.npos;
    if (is_plain || !rendering.admit_text(text.size())) return text;
    return rendering.heap().copy(escape_html(text));
}

namespace {

struct Entity {
    std::string_view name, text;
};
constexpr Entity kEntities[] = {{"amp", "&"},       {"lt", "<"},    {"gt", ">"},    {"quot", "\""},  {"apos", "'"},
                                {"nbsp", "\u00a0"}, {"copy", "©"},  {"reg", "®"},   {"hellip", "…"}, {"mdash", "—"},
                                {"ndash", "–"},     {"laquo", "«"}, {"raquo", "»"}, {"euro", "€"}};

// The character of "#34" or "#x22"; false if it is none.
bool append_numeric(std::string_view reference, std::string& out) {
    bool is_hex = reference.size() > 1 && (reference[1] == 'x' || reference[1] == 'X');
    std::string_view digits = reference.substr(is_hex ? 2 : 1);
    uint32_t code_point = 0;
    auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), code_point, is_hex ? 16 : 10);
    if (digits.empty() || status != std::errc() || end != digits.data() + digits.size()) return false;
    bool is_character = code_point > 0 && code_point < 0x110000 && (code_point < 0xD800 || code_point > 0xDFFF);
    append_utf8(out, is_character ? code_point : U'\uFFFD');
    return true;
}

bool append_entity(std::string_view name, std::string& out) {
    if (name.starts_with('#')) return append_numeric(name, out);
    auto* entity =
        std::find_if(std::begin(kEntities), std::end(kEntities), [&](const Entity& e) { return e.name == name; });
    if (entity == std::end(kEntities)) return false;
    out += entity->text;
    return true;
}

// Takes out everything from `open` to the next `close` behind it.
std::string without_spans(std::string_view text, std::string_view open, std::string_view close) {
    std::string out;
    size_t from = 0;
    while (true) {
        size_t start = text.find(open, from);
        size_t end = start == text.npos ? text.npos : text.find(close, start);
        if (end == text.npos) return out.append(text.substr(from));
        out += text.substr(from, start - from);
        from = end + close.size();
    }
}

}  // namespace

std::string unescape_html(std::string_view text) {
    constexpr size_t kLongestEntity = 32;
    std::string out;
    for (size_t at = 0; at < text.size();) {
        size_t end = text[at] == '&' ? text.substr(0, at + kLongestEntity).find(';', at) : text.npos;
        if (end != text.npos && append_entity(text.substr(at + 1, end - at - 1), out))
            at = end + 1;
        else
            out += text[at++];
    }
    return out;
}

std::string strip_tags(std::string_view text) {
    std::string without_tags = without_spans(without_spans(text, "<!--", "-->"), "<", ">");
    std::string collapsed;
    std::string_view rest = strip(without_tags);
    bool was_space = false;
    for (size_t at = 0; at < rest.size();) {
        size_t start = at;
        bool space = is_space(next_code_point(rest, at));
        if (!space)
            collapsed += rest.substr(start, at - start);
        else if (!was_space)
            collapsed += ' ';
        was_space = space;
    }
    return unescape_html(collapsed);
}

std::string quote_url(std::string_view text, bool is_query) {
    std::string out;
    for (char c : text) {
        bool is_safe = std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '-' || c == '~' ||
                       (c == '/' && !is_query);
        if (is_safe)
            out += c;
        else if (c == ' ' && is_query)
            out += '+';
        else
            out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return out;
}

}  // namespace hone::text::chat

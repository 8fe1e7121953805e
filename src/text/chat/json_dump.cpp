#include "text/chat/json_dump.h"

#include <algorithm>
#include <cmath>

#include "text/chat/control_tokens.h"
#include "text/chat/operators.h"
#include "text/chat/python_text.h"
#include "text/chat/sorting.h"
#include "text/chat/unicode_text.h"

namespace hone::text::chat {

namespace {

class JsonWriter {
  public:
    JsonWriter(Rendering& rendering, std::string& out, const JsonStyle& style)
        : rendering_(rendering), out_(out), style_(style) {}

    bool write(const Value& value) {
        if (!rendering_.admit_append(out_.size(), 1)) return false;
        switch (value.kind()) {
            case Kind::none:
                out_ += "null";
                return true;
            case Kind::boolean:
                out_ += value.truth() ? "true" : "false";
                return true;
            case Kind::integer:
                out_ += integer_text(value.integer());
                return true;
            case Kind::real:
                out_ += number_text(value.real());
                return true;
            case Kind::string:
                return write_text(value.text());
            case Kind::list:
            case Kind::tuple:
                return write_list(value.items());
            case Kind::dict:
                return write_dict(value.dict());
            default:
                rendering_.fail(ErrorClass::type, "Object of type {} is not JSON serializable", type_name(value));
                return false;
        }
    }

  private:
    static std::string number_text(double number) {
        if (std::isnan(number)) return "NaN";
        if (std::isinf(number)) return number < 0 ? "-Infinity" : "Infinity";
        return real_text(number);
    }

    bool write_text(std::string_view text) {
        if (!rendering_.admit_append(out_.size(), text.size())) return false;
        out_ += '"';
        size_t plain = 0;  // start of what needs no escape
        for (size_t at = 0; at < text.size();) {
            size_t start = at;
            auto byte = static_cast<unsigned char>(text[at]);
            bool is_plain = byte >= 0x20 && byte != '"' && byte != '\\' && (byte < 0x7F || !style_.ensure_ascii);
            if (is_plain) {
                ++at;
                continue;
            }
            out_ += text.substr(plain, start - plain);
            const char32_t c = next_code_point(text, at);
            if (is_control_mark(c))
                out_ += text.substr(start, at - start);
            else
                write_escape(c);
            plain = at;
        }
        out_ += text.substr(plain);
        out_ += '"';
        return true;
    }

    void write_escape(char32_t c) {
        switch (c) {
            case '"':
                out_ += "\\\"";
                return;
            case '\\':
                out_ += "\\\\";
                return;
            case '\n':
                out_ += "\\n";
                return;
            case '\r':
                out_ += "\\r";
                return;
            case '\t':
                out_ += "\\t";
                return;
            case '\f':
                out_ += "\\f";
                return;
            case '\b':
                out_ += "\\b";
                return;
            default:
                break;
        }
        auto code_point = static_cast<uint32_t>(c);
        if (code_point >= 0x10000) {
            uint32_t rest = code_point - 0x10000;
            out_ += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + (rest >> 10), 0xDC00 + (rest & 0x3FF));
        } else {
            out_ += fmt::format("\\u{:04x}", code_point);
        }
    }

    bool new_line() {
        if (!style_.indent) return true;
        size_t bytes = style_.indent->size() * level_;
        if (!rendering_.admit_append(out_.size(), bytes)) return false;
        out_ += '\n';
        for (size_t i = 0; i < level_; ++i) out_ += *style_.indent;
        return true;
    }

    // Between two elements, or before the first.
    bool separate(bool is_first) {
        if (!is_first) out_ += style_.item_separator;
        return rendering_.admit_append(out_.size(), is_first ? 0 : style_.item_separator.size()) && new_line();
    }

    bool write_list(std::span<const Value> items) {
        if (items.empty()) return out_ += "[]", true;
        Deeper deeper(rendering_);
        if (!deeper.is_allowed()) return false;
        out_ += '[';
        ++level_;
        for (size_t i = 0; i < items.size(); ++i)
            if (!separate(i == 0) || !write(items[i])) return false;
        --level_;
        return new_line() && (out_ += ']', true);
    }

    bool write_key(const Value& key) {
        switch (key.kind()) {
            case Kind::string:
                return write_text(key.text());
            case Kind::boolean:
                return write_text(key.truth() ? "true" : "false");
            case Kind::none:
                return write_text("null");
            case Kind::integer:
                return write_text(integer_text(key.integer()));
            case Kind::real:
                return write_text(number_text(key.real()));
            default:
                rendering_.fail(ErrorClass::type, "keys must be str, int, float, bool or None, not {}", type_name(key));
                return false;
        }
    }

    bool write_dict(const Dict& dict) {
        if (dict.entries.empty()) return out_ += "{}", true;
        Deeper deeper(rendering_);
        if (!deeper.is_allowed()) return false;
        std::vector<Entry> entries(dict.entries.begin(), dict.entries.end());
        if (style_.sort_keys && !sort_by(rendering_, entries, [](const Entry& entry) { return entry.key; }))
            return false;
        out_ += '{';
        ++level_;
        bool is_first = true;
        for (const Entry& entry : entries) {
            if (!separate(is_first) || !write_key(entry.key)) return false;
            out_ += style_.key_separator;
            if (!rendering_.admit_append(out_.size(), style_.key_separator.size()) || !write(entry.value)) return false;
            is_first = false;
        }
        --level_;
        return new_line() && (out_ += '}', true);
    }

    Rendering& rendering_;
    std::string& out_;
    const JsonStyle& style_;
    size_t level_ = 0;
};

}  // namespace

bool append_json(Rendering& rendering, std::string& out, const Value& value, const JsonStyle& style) {
    return JsonWriter(rendering, out, style).write(value);
}

}  // namespace hone::text::chat

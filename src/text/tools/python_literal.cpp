// Python literals as JSON: some models print the arguments of a call as Python would.
#include "text/chat/string_literal.h"
#include "text/tools/json_calls.h"
#include "text/tools/json_scanner.h"
#include "text/tools/marker_search.h"
#include "text/tools/typed_value.h"

namespace hone::text {

namespace {

constexpr size_t kDeepestLiteral = 32;  // what is inside is copied once a level

class PythonLiteral {
  public:
    explicit PythonLiteral(std::string_view text) : text_(text) {}

    bool read(std::string& out) { return value(out, 0) && skip_blanks(text_, at_) == text_.size(); }

  private:
    bool value(std::string& out, size_t depth) {
        at_ = skip_blanks(text_, at_);
        if (at_ == text_.size() || depth == kDeepestLiteral) return false;
        switch (text_[at_]) {
            case '{':
                return container(out, depth, '}');
            case '[':
                return container(out, depth, ']');
            case '(':
                return container(out, depth, ')');
            case '"':
            case '\'':
                return string(out);
            default:
                return word(out);
        }
    }

    bool take(char byte) {
        at_ = skip_blanks(text_, at_);
        if (at_ == text_.size() || text_[at_] != byte) return false;
        ++at_;
        return true;
    }

    // A tuple becomes a list; (x) without a comma is x itself.
    bool container(std::string& out, size_t depth, char closer) {
        const bool is_dict = closer == '}';
        std::string inside;
        size_t count = 0;
        bool comma = true;
        ++at_;
        while (!take(closer)) {
            if (!comma) return false;
            if (count++ > 0) inside += ", ";
            if (is_dict) {
                at_ = skip_blanks(text_, at_);
                if (at_ == text_.size() || (text_[at_] != '"' && text_[at_] != '\'')) return false;
                if (!string(inside) || !take(':')) return false;
                inside += ": ";
            }
            if (!value(inside, depth + 1)) return false;
            comma = take(',');
        }
        if (closer == ')' && count == 1 && !comma) {
            out += inside;
        } else {
            out += is_dict ? '{' : '[';
            out += inside;
            out += is_dict ? '}' : ']';
        }
        return true;
    }

    bool string(std::string& out) {
        const char quote = text_[at_];
        const size_t begin = ++at_;
        for (; at_ < text_.size() && text_[at_] != quote; ++at_) {
            if (text_[at_] == '\n') return false;
            if (text_[at_] == '\\') ++at_;
        }
        if (at_ >= text_.size()) return false;
        std::string content, problem;
        if (!chat::unescape_string(text_.substr(begin, at_ - begin), content, problem)) return false;
        ++at_;
        out += quote_json(content);
        return true;
    }

    bool word(std::string& out) {
        const size_t end = std::min(text_.find_first_of(" \t\r\n,:)]}", at_), text_.size());
        const std::string_view word = text_.substr(at_, end - at_);
        at_ = end;
        if (word == "True" || word == "False" || word == "None") {
            out += word == "True" ? "true" : word == "False" ? "false" : "null";
            return true;
        }
        const bool is_number = !word.empty() && (word[0] == '-' || (word[0] >= '0' && word[0] <= '9')) &&
                               json_end(std::string(word) + ' ', 0) == word.size();
        out += word;
        return is_number;
    }

    std::string_view text_;
    size_t at_ = 0;
};

}  // namespace

std::optional<std::string> json_of_python(std::string_view text) {
    std::string out;
    if (!PythonLiteral(text).read(out)) return std::nullopt;
    return out;
}

}  // namespace hone::text

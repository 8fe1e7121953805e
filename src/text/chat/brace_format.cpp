// str.format: replacement fields {name.attribute[key]!conversion:spec}, fields inside the spec, {{ and }}.
#include "text/chat/access.h"
#include "text/chat/markup.h"
#include "text/chat/number_format.h"
#include "text/chat/percent_format.h"
#include "text/chat/python_text.h"

namespace hone::text::chat {

namespace {

class BraceFormatter {
  public:
    BraceFormatter(Rendering& rendering, const Arguments& arguments, bool is_markup)
        : rendering_(rendering), arguments_(arguments), is_markup_(is_markup) {}

    std::string expand(std::string_view format, int depth) {
        std::string out;
        for (size_t at = 0; at < format.size() && !rendering_.failed();) {
            char c = format[at];
            bool is_doubled = at + 1 < format.size() && format[at + 1] == c;
            if (c != '{' && c != '}') {
                out += c;
                ++at;
            } else if (is_doubled && depth == 0) {
                out += c;
                at += 2;
            } else if (c == '}') {
                rendering_.fail(ErrorClass::value, "Single '}}' encountered in format string");
            } else {
                std::string_view field = take_field(format, at);
                std::string piece = replace(field, depth);
                if (rendering_.admit_append(out.size(), piece.size())) out += piece;
            }
        }
        return out;
    }

  private:
    // The inside of the braces that open at `at`, which moves behind them.
    std::string_view take_field(std::string_view format, size_t& at) {
        size_t start = ++at;
        for (int open = 1; at < format.size(); ++at) {
            open += format[at] == '{' ? 1 : format[at] == '}' ? -1 : 0;
            if (open == 0) return format.substr(start, at++ - start);
        }
        rendering_.fail(ErrorClass::value, "expected '}}' before end of string");
        return {};
    }

    std::string replace(std::string_view field, int depth) {
        if (rendering_.failed() || depth > 1)
            return rendering_.fail(ErrorClass::value, "Max string recursion exceeded"), "";
        size_t colon = field.find(':'), bang = field.find('!');
        size_t bracket = field.find('[');
        if (bracket < std::min(colon, bang)) {  // keys may hold anything
            size_t closed = field.find(']', bracket);
            colon = field.find(':', closed);
            bang = field.find('!', closed);
        }
        std::string spec;
        if (colon != field.npos) spec = expand(field.substr(colon + 1), depth + 1);
        std::string_view head = field.substr(0, colon);
        char conversion = '\0';
        if (bang < head.size()) {
            if (bang + 2 != head.size())
                return rendering_.fail(ErrorClass::value, "expected ':' after conversion specifier"), "";
            conversion = head[bang + 1];
            head = head.substr(0, bang);
        }
        return convert(find(head), conversion, spec);
    }

    std::string convert(const Value& value, char conversion, std::string_view spec) {
        if (rendering_.failed()) return {};
        std::string text;
        if (conversion == 'r')
            text = format_value(rendering_, rendering_.text(to_repr(rendering_, value)), spec);
        else if (conversion == 'a')
            text = format_value(rendering_, rendering_.text(ascii_repr(rendering_, value)), spec);
        else if (conversion == 's')
            text = format_value(rendering_, Value::string(to_str(rendering_, value)), spec);
        else if (conversion == '\0')
            text = format_value(rendering_, value, spec);
        else
            rendering_.fail(ErrorClass::value, "Unknown conversion specifier {}", conversion);
        return is_markup_ && !value.is_markup() ? escape_html(text) : text;
    }

    Value find(std::string_view path) {
        size_t end = std::min(path.find_first_of(".["), path.size());
        Value value = find_argument(path.substr(0, end));
        while (end < path.size() && !rendering_.failed()) {
            bool is_attribute = path[end] == '.';
            size_t start = end + 1;
            end = is_attribute ? std::min(path.find_first_of(".[", start), path.size()) : path.find(']', start);
            if (end == path.npos) return rendering_.fail(ErrorClass::value, "Missing ']' in format string");
            std::string_view name = path.substr(start, end - start);
            if (name.empty()) return rendering_.fail(ErrorClass::value, "Empty attribute in format string");
            if (is_attribute) {
                value = get_attribute(rendering_, value, Value::string(name), find_methods(name));
                continue;
            }
            ++end;
            std::optional<ParsedInteger> index = is_number(name) ? parse_integer(name) : std::nullopt;
            value = get_item(rendering_, value, index ? Value::integer(index->number) : Value::string(name));
        }
        return value;
    }

    static bool is_number(std::string_view text) {
        return !text.empty() && text.size() < 19 && text.find_first_not_of("0123456789") == text.npos;
    }

    Value find_argument(std::string_view name) {
        if (name.empty() || is_number(name)) {
            bool is_automatic = name.empty();
            if ((is_automatic && next_ < 0) || (!is_automatic && next_ > 0))
                return rendering_.fail(ErrorClass::value, "cannot switch between automatic and manual field numbering");
            Integer index = is_automatic ? next_ : parse_integer(name)->number;
            next_ = is_automatic ? next_ + 1 : -1;
            if (index >= static_cast<Integer>(arguments_.positional.size()))
                return rendering_.fail(ErrorClass::index, "Replacement index {} out of range for positional args tuple",
                                       integer_text(index));
            return arguments_.positional[static_cast<size_t>(index)];
        }
        for (const Keyword& argument : arguments_.keyword)
            if (argument.name == name) return argument.value;
        return rendering_.fail(ErrorClass::key, "{}", python_quoted(name));
    }

    Rendering& rendering_;
    const Arguments& arguments_;
    bool is_markup_;
    int next_ = 0;  // -1 once a field had a number
};

}  // namespace

Value brace_format(Rendering& rendering, const Value& format, const Arguments& arguments) {
    BraceFormatter formatter(rendering, arguments, format.is_markup());
    std::string text = formatter.expand(format.text(), 0);
    return rendering.text(text, format.is_markup());
}

}  // namespace hone::text::chat

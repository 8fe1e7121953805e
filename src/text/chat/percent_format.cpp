#include "text/chat/percent_format.h"

#include <cmath>

#include "text/chat/access.h"
#include "text/chat/markup.h"
#include "text/chat/number_format.h"
#include "text/chat/operators.h"
#include "text/chat/python_text.h"
#include "text/chat/unicode_text.h"

namespace hone::text::chat {

std::string ascii_repr(Rendering& rendering, const Value& value) {
    std::string shown = to_repr(rendering, value), out;
    for (size_t at = 0; at < shown.size();) {
        auto c = static_cast<uint32_t>(next_code_point(shown, at));
        if (c < 0x80)
            out += static_cast<char>(c);
        else if (c < 0x100)
            out += fmt::format("\\x{:02x}", c);
        else if (c < 0x10000)
            out += fmt::format("\\u{:04x}", c);
        else
            out += fmt::format("\\U{:08x}", c);
    }
    return out;
}

namespace {

class PercentFormatter {
  public:
    PercentFormatter(Rendering& rendering, const Value& format, const Value& values)
        : rendering_(rendering), format_(format.text()), values_(values), is_markup_(format.is_markup()) {
        bool is_subscriptable =
            values.is(Kind::dict) || values.is(Kind::list) || values.is(Kind::range) || values.is(Kind::undefined);
        has_mapping_ = is_subscriptable;
    }

    Value run() {
        while (at_ < format_.size() && !rendering_.failed()) {
            size_t percent = std::min(format_.find('%', at_), format_.size());
            out_ += format_.substr(at_, percent - at_);
            at_ = percent + 1;
            if (percent < format_.size()) convert();
        }
        bool is_tuple = values_.is(Kind::tuple);
        bool has_rest = is_tuple ? next_ < values_.items().size() : next_ == 0 && !has_mapping_;
        if (has_rest) return fail("not all arguments converted during string formatting");
        return rendering_.text(out_, is_markup_);
    }

  private:
    Value fail(std::string_view message) { return rendering_.fail(ErrorClass::type, "{}", message); }

    char take() { return at_ < format_.size() ? format_[at_++] : '\0'; }

    Value next_value() {
        if (values_.is(Kind::tuple)) {
            if (next_ < values_.items().size()) return values_.items()[next_++];
        } else if (next_ == 0) {
            ++next_;
            return values_;
        }
        return fail("not enough arguments for format string");
    }

    // A width or precision: digits or *.
    std::optional<size_t> take_size(bool& is_negative) {
        if (at_ < format_.size() && format_[at_] == '*') {
            ++at_;
            Value size = next_value();
            if (!size.is_integral()) return fail("* wants int"), std::nullopt;
            is_negative = size.integer() < 0;
            Integer magnitude = is_negative ? -size.integer() : size.integer();
            return static_cast<size_t>(std::min<Integer>(magnitude, Integer{1} << 40));
        }
        size_t end = std::min(format_.find_first_not_of("0123456789", at_), format_.size());
        if (end == at_) return {};
        if (end - at_ > 12) return rendering_.fail(ErrorClass::value, "width too big"), std::nullopt;
        auto size = static_cast<size_t>(parse_integer(format_.substr(at_, end - at_))->number);
        at_ = end;
        return size;
    }

    // (name) selects from the mapping; missing if there is none.
    Value take_named() {
        if (at_ >= format_.size() || format_[at_] != '(') return Value();
        size_t start = ++at_;
        for (int depth = 1; depth > 0;) {
            char c = take();
            if (c == '\0') return rendering_.fail(ErrorClass::value, "incomplete format key");
            depth += c == '(' ? 1 : c == ')' ? -1 : 0;
        }
        if (!values_.is(Kind::dict)) return fail("format requires a mapping");
        std::string_view name = format_.substr(start, at_ - start - 1);
        const Value* value = values_.dict().find(name);
        return value ? *value : rendering_.fail(ErrorClass::key, "{}", python_quoted(name));
    }

    void convert() {
        FormatSpec spec;
        Value value = take_named();
        for (; at_ < format_.size() && std::string_view("#0- +").find(format_[at_]) != std::string_view::npos; ++at_) {
            if (format_[at_] == '#')
                spec.is_alternate = true;
            else if (format_[at_] == '-')
                spec.align = '<';
            else if (format_[at_] == '0')
                spec.fill = "0";
            else if (spec.sign != '+')
                spec.sign = format_[at_];
        }
        bool is_left = false, ignored = false;
        spec.width = take_size(is_left).value_or(0);
        if (is_left) spec.align = '<';
        if (at_ < format_.size() && format_[at_] == '.') {
            ++at_;
            spec.precision = take_size(ignored).value_or(0);
        }
        while (at_ < format_.size() && std::string_view("hlL").find(format_[at_]) != std::string_view::npos) ++at_;
        spec.type = take();
        if (spec.type == '%') {
            out_ += '%';
            return;
        }
        if (value.is(Kind::missing)) value = next_value();
        if (rendering_.failed()) return;
        bool fills_zeros = spec.fill == "0" && spec.align != '<';
        if (spec.align == '<') spec.fill = " ";
        std::string piece = convert(value, spec, fills_zeros);
        if (rendering_.admit_append(out_.size(), piece.size())) out_ += piece;
    }

    std::string convert(const Value& value, FormatSpec& spec, bool fills_zeros) {
        switch (spec.type) {
            case 's':
            case 'r':
            case 'a':
                return convert_text(value, spec);
            case 'c':
                return convert_character(value, spec);
            case 'd':
            case 'i':
            case 'u':
            case 'x':
            case 'X':
            case 'o':
                return convert_integer(value, spec, fills_zeros);
            case 'e':
            case 'E':
            case 'f':
            case 'F':
            case 'g':
            case 'G':
                if (!value.is_number()) return fail(fmt::format("must be real number, not {}", type_name(value))), "";
                if (fills_zeros) spec.align = '=';
                return format_real(rendering_, as_real(value), spec);
            case '\0':
                rendering_.fail(ErrorClass::value, "incomplete format");
                return {};
            default:
                rendering_.fail(ErrorClass::value, "unsupported format character '{}'", spec.type);
                return {};
        }
    }

    std::string convert_text(const Value& value, FormatSpec& spec) {
        std::string text = spec.type == 's'   ? std::string(to_str(rendering_, value))
                           : spec.type == 'r' ? to_repr(rendering_, value)
                                              : ascii_repr(rendering_, value);
        if (is_markup_ && !(spec.type == 's' && value.is_markup())) text = escape_html(text);
        if (spec.precision) text.resize(byte_offset(text, *spec.precision));
        spec.fill = " ";
        return pad(rendering_, "", text, spec, '>');
    }

    std::string convert_character(const Value& value, FormatSpec& spec) {
        spec.fill = " ";
        if (value.is_integral()) return format_integer(rendering_, value.integer(), spec);
        if (!value.is(Kind::string) || count_code_points(value.text()) != 1) return fail("%c requires int or char"), "";
        return pad(rendering_, "", value.text(), spec, '>');
    }

    std::string convert_integer(const Value& value, FormatSpec& spec, bool fills_zeros) {
        bool is_decimal = spec.type == 'd' || spec.type == 'i' || spec.type == 'u';
        if (is_decimal) spec.type = 'd';
        bool is_real = is_decimal && value.is(Kind::real) && std::abs(value.real()) < 0x1p126;
        if (!value.is_integral() && !is_real) {
            std::string_view wanted = is_decimal ? "a real number" : "an integer";
            return fail(fmt::format("%{} format: {} is required, not {}", spec.type, wanted, type_name(value))), "";
        }
        if (fills_zeros) spec.align = '=';
        return format_integer(rendering_, is_real ? static_cast<Integer>(value.real()) : value.integer(), spec);
    }

    Rendering& rendering_;
    std::string_view format_;
    Value values_;
    bool is_markup_;
    bool has_mapping_ = false;
    size_t at_ = 0;
    size_t next_ = 0;  // value of the tuple
    std::string out_;
};

}  // namespace

Value percent_format(Rendering& rendering, const Value& format, const Value& values) {
    return PercentFormatter(rendering, format, values).run();
}

}  // namespace hone::text::chat

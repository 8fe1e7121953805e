#define PCRE2_CODE_UNIT_WIDTH 8
#include <algorithm>
#include <optional>

#include <pcre2.h>

#include "text/tokenizer/pattern.h"
#include "text/tokenizer/regex_dialect.h"
#include "text/utf8.h"

namespace hone::text {

namespace {

constexpr size_t kJitStackStart = 256 << 10, kJitStackLimit = 64 << 20;
constexpr uint32_t kMatchLimit = 10'000'000;  // steps of one search: a pattern that explodes matches nothing

struct Free {
    void operator()(pcre2_code* code) const { pcre2_code_free(code); }
    void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
    void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
    void operator()(pcre2_jit_stack* stack) const { pcre2_jit_stack_free(stack); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

// The state of one search through one text.
class Search {
  public:
    Search(const pcre2_code* code, std::string_view text)
        : code_(code),
          text_(text),
          data_(pcre2_match_data_create(1, nullptr)),
          context_(pcre2_match_context_create(nullptr)) {
        pcre2_set_match_limit(context_.get(), kMatchLimit);
    }

    std::optional<Match> find(size_t from) {
        int found = match(from);
        if (found == PCRE2_ERROR_JIT_STACKLIMIT && !stack_) {
            stack_.reset(pcre2_jit_stack_create(kJitStackStart, kJitStackLimit, nullptr));
            pcre2_jit_stack_assign(context_.get(), nullptr, stack_.get());
            found = match(from);
        }
        if (found < 0) return std::nullopt;
        const size_t* ends = pcre2_get_ovector_pointer(data_.get());
        return Match{std::min(ends[0], ends[1]), ends[1]};
    }

  private:
    int match(size_t from) {
        return pcre2_match(code_, reinterpret_cast<PCRE2_SPTR>(text_.data()), text_.size(), from, PCRE2_NO_UTF_CHECK,
                           data_.get(), context_.get());
    }

    const pcre2_code* code_;
    std::string_view text_;
    Owned<pcre2_match_data> data_;
    Owned<pcre2_match_context> context_;
    Owned<pcre2_jit_stack> stack_;
};

class Regex : public Pattern {
  public:
    explicit Regex(Owned<pcre2_code> code) : code_(std::move(code)) {}

    void for_each_match(std::string_view text, const std::function<void(Match)>& visit) const override {
        Search search(code_.get(), text);
        size_t position = 0;
        std::optional<size_t> last_end;
        while (position <= text.size()) {
            const std::optional<Match> found = search.find(position);
            if (!found) return;
            if (found->begin == found->end) {
                // An empty match right behind another match does not count.
                position = found->end + (found->end < text.size() ? utf8_length(text[found->end]) : 1);
                if (last_end == found->end) continue;
            } else {
                position = found->end;
            }
            last_end = found->end;
            visit(*found);
        }
    }

  private:
    Owned<pcre2_code> code_;
};

class Literal : public Pattern {
  public:
    explicit Literal(std::string literal) : literal_(std::move(literal)) {}

    void for_each_match(std::string_view text, const std::function<void(Match)>& visit) const override {
        size_t found = text.find(literal_);
        while (found != std::string_view::npos) {
            visit({found, found + literal_.size()});
            found = text.find(literal_, found + literal_.size());
        }
    }

  private:
    std::string literal_;
};

}  // namespace

Result<std::unique_ptr<Pattern>> make_regex(std::string_view expression, RegexDialect dialect) {
    auto translated = translate_regex(expression, dialect);
    if (!translated) return translated.error().within(fmt::format("pattern {:?}", expression));
    // '^' and '$' are ends of lines in Oniguruma's Ruby syntax, ends of the text in Rust's.
    const uint32_t options =
        PCRE2_UTF | PCRE2_UCP | (dialect == RegexDialect::kOniguruma ? PCRE2_MULTILINE : PCRE2_DOLLAR_ENDONLY);
    int code = 0;
    size_t offset = 0;
    Owned<pcre2_code> compiled(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated->data()), translated->size(),
                                             options, &code, &offset, nullptr));
    if (!compiled) {
        std::array<PCRE2_UCHAR, 256> message{};
        pcre2_get_error_message(code, message.data(), message.size());
        return error("pattern {:?}: {} (at byte {} of its PCRE2 form)", expression,
                     reinterpret_cast<const char*>(message.data()), offset);
    }
    pcre2_jit_compile(compiled.get(), PCRE2_JIT_COMPLETE);  // where JIT is missing, the interpreter does
    return std::unique_ptr<Pattern>(std::make_unique<Regex>(std::move(compiled)));
}

Result<std::unique_ptr<Pattern>> make_pattern(std::string_view expression, RegexDialect dialect) {
    if (auto scanner = make_scanner(expression)) return scanner;
    return make_regex(expression, dialect);
}

std::unique_ptr<Pattern> make_literal(std::string literal) {
    return std::make_unique<Literal>(std::move(literal));
}

}  // namespace hone::text

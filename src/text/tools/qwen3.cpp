// qwen3 (also Hermes, Qwen2.5): <tool_call>{"name": ..., "arguments": {...}}</tool_call>, and lists of such objects. A
// call is told when its closing tag has come: until then it may turn out to be none.
#include "text/tools/dialect.h"
#include "text/tools/json_calls.h"
#include "text/tools/json_scanner.h"
#include "text/tools/marker_search.h"
#include "text/tools/section_parser.h"

namespace hone::text {

namespace {

constexpr std::string_view kMarkers[] = {"<tool_call>", "</tool_call>", "<think>", "</think>"};

class Qwen3Reader final : public CallReader {
  public:
    explicit Qwen3Reader(const MarkerSpelling& spelling)
        : open_(spelling(kMarkers[0])), close_(spelling(kMarkers[1])), at_(open_.size()), end_finder_(close_) {}

    Progress read(std::string_view text, bool whole, OutputWriter& out) override {
        if (scanner_.state() == JsonScanner::State::open) {
            at_ = scanner_.read(text, at_);
            if (scanner_.state() == JsonScanner::State::open) return Progress::more;
            if (scanner_.state() == JsonScanner::State::invalid) return Progress::broken;
        }
        const size_t after = skip_blanks(text, at_);
        const std::string_view rest = text.substr(after);
        if (after - at_ > kLongestHead) return Progress::broken;
        if (rest.starts_with(close_)) {
            taken_ = after + close_.size();
        } else if (rest.starts_with(open_) || (whole && could_become(rest, open_) && !could_become(rest, close_))) {
            taken_ = after;  // a forgotten closing tag
        } else if (whole && could_become(rest, close_)) {
            taken_ = text.size();
        } else {
            const bool may_end = could_become(rest, close_) || could_become(rest, open_);
            return may_end ? Progress::more : Progress::broken;
        }
        if (tell(text.substr(open_.size(), at_ - open_.size()), out)) return Progress::ended;
        taken_ = 0;
        return Progress::broken;
    }

    std::optional<size_t> broken_end(std::string_view text) override { return end_finder_.end_in(text, open_.size()); }

    bool tell_cut(std::string_view text, OutputWriter& out) override {
        const auto call = cut_json_call(text.substr(open_.size()));
        if (call) out.call(call->name, {}, call->arguments, false);
        return call.has_value();
    }

  private:
    // All calls of the block, or none if one of them is no call.
    static bool tell(std::string_view value, OutputWriter& out) {
        value = stripped(value);
        std::vector<std::string_view> entries{value};
        if (value.starts_with('[')) entries = json_elements(value);
        std::vector<JsonCall> calls;
        for (const std::string_view entry : entries) {
            auto call = json_call(entry);
            if (!call) return false;
            calls.push_back(std::move(*call));
        }
        for (const JsonCall& call : calls) out.call(call.name, {}, call.arguments.empty() ? "{}" : call.arguments);
        return true;
    }

    const std::string open_, close_;
    JsonScanner scanner_;
    size_t at_;
    MarkerFinder end_finder_;
};

std::unique_ptr<OutputParser> make(const Dialect& dialect, const ParserOptions& options) {
    const auto make_reader = [spelling = options.spelling] { return std::make_unique<Qwen3Reader>(spelling); };
    return make_section_parser(dialect, options,
                               {.openers = {options.spelling(kMarkers[0])}, .make_reader = make_reader});
}

// GLM has the tag too, with keys and values of its own behind it.
bool is_spoken(const ChatTemplate& chat_template) {
    return chat_template.mentions(kMarkers[0]) && !chat_template.mentions("<function=") &&
           !chat_template.mentions("<arg_key>");
}

Expression add_calls(CallGrammar& grammar) {
    const Expression call =
        grammar.sequence({grammar.marker(kMarkers[0]), grammar.text("\n"), grammar.json_call("arguments"),
                          grammar.text("\n"), grammar.marker(kMarkers[1])});
    return grammar.calls(call, "\n");
}

}  // namespace

constexpr Dialect kQwen3{.name = "qwen3",
                         .markers = kMarkers,
                         .think_begin = "<think>",
                         .think_end = "</think>",
                         .is_spoken = is_spoken,
                         .make_parser = make,
                         .add_calls = add_calls};

}  // namespace hone::text

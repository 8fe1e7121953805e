// deepseek_v3 (also R1): deepseek_v31's markers, but <｜tool▁call▁begin｜>function<｜tool▁sep｜>NAME, a newline, and the
// JSON in a ```json fence.
#include "text/tools/deepseek_markers.h"
#include "text/tools/marker_search.h"
#include "text/tools/section_parser.h"

namespace hone::text {

namespace {

constexpr std::string_view kFence = "```json\n", kFenceEnd = "```";

class DeepSeekV3Reader final : public TokenReader {
  public:
    explicit DeepSeekV3Reader(std::shared_ptr<const TokenMarkers> markers) : TokenReader(std::move(markers), false) {}

  private:
    // The word "function".
    Step read_head(std::string_view, OutputWriter&) override {
        fenced_ = false;
        return Step::next;
    }

    // Without a fence the rest of the lines are arguments that are no JSON.
    Step read_name(std::string_view text, bool whole, size_t& used, OutputWriter& out) override {
        const FoundMarker end = find_marker(text, std::span(&markers().call_end, 1));
        const std::string_view lines = text.substr(0, whole && !end.marker ? text.npos : end.at);
        const size_t line = skip_blanks(lines, 0), newline = lines.find('\n', line);
        const bool is_over = end.marker || whole;
        if (newline == lines.npos && !is_over) return lines.size() <= kLongestHead ? Step::more : Step::broken;
        const size_t name_end = std::min(newline, lines.size());
        const std::string_view name = trimmed(lines.substr(line, name_end - line));
        if (name.empty()) return whole && !end.marker ? Step::more : Step::broken;
        used = std::min(name_end + 1, lines.size());
        const std::string_view rest = lines.substr(used);
        if (!is_over && could_become(rest, kFence)) {
            used = 0;
            return Step::more;
        }
        fenced_ = rest.starts_with(kFence);
        if (fenced_) used += kFence.size();
        if (!fenced_) expect_no_json();
        out.begin_call(name);
        return Step::next;
    }

    size_t not_of_arguments(std::string_view text, bool over) const override {
        if (!fenced_) return TokenReader::not_of_arguments(text, over);
        const std::string_view body = text.substr(0, text.find_last_not_of(kBlanks) + 1);
        size_t fence = text.find_last_not_of('`') + 1;  // what may become the end of the fence
        if (body.ends_with(kFenceEnd)) {
            fence = body.size() - kFenceEnd.size();
        } else if (over) {
            return 0;
        }
        if (fence > 0 && text[fence - 1] == '\n') --fence;
        return text.size() - fence;
    }

    bool fenced_ = false;
};

std::unique_ptr<OutputParser> make(const Dialect& dialect, const ParserOptions& options) {
    const auto markers = deepseek_markers(options.spelling);
    return make_section_parser(dialect, options,
                               {.openers = {markers->section}, .opener_ends_reasoning = true, .make_reader = [markers] {
                                    return std::make_unique<DeepSeekV3Reader>(markers);
                                }});
}

bool is_spoken(const ChatTemplate& chat_template) {
    return chat_template.mentions(kDeepSeekMarkers[0]) && chat_template.mentions("```json");
}

}  // namespace

constexpr Dialect kDeepSeekV3{.name = "deepseek_v3",
                              .markers = kDeepSeekMarkers,
                              .think_begin = "<think>",
                              .think_end = "</think>",
                              .is_spoken = is_spoken,
                              .make_parser = make};

}  // namespace hone::text

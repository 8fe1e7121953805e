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
        if (std::min(newline, lines.size()) > kLongestHead) return Step::broken;
        if (newline == lines.npos && !is_over) return Step::more;
        const size_t name_end = std::min(newline, lines.size());
        const std::string_view name = stripped(lines.substr(line, name_end - line));
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

    // A newline and the end of the fence, or what may become that.
    size_t not_of_arguments(std::string_view text, size_t blanks, bool over) const override {
        if (!fenced_) return blanks;
        const std::string_view body = text.substr(0, text.size() - blanks);
        size_t end = text.size();
        if (body.ends_with(kFenceEnd)) {
            end = body.size() - kFenceEnd.size();
        } else if (over) {
            return 0;
        } else {
            while (text.size() - end < kFenceEnd.size() && end > 0 && text[end - 1] == '`') --end;
        }
        if (end > 0 && text[end - 1] == '\n') --end;
        return text.size() - end;
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

Expression add_calls(CallGrammar& grammar) {
    const auto& markers = kDeepSeekMarkers;
    const Expression call = grammar.any_tool([&](const DeclaredTool& tool) {
        return grammar.sequence({grammar.marker(markers[2]), grammar.text("function"), grammar.marker(markers[3]),
                                 grammar.text(tool.name + "\n" + std::string(kFence)), grammar.arguments(tool),
                                 grammar.text("\n" + std::string(kFenceEnd)), grammar.marker(markers[4])});
    });
    return grammar.sequence({grammar.marker(markers[0]), grammar.calls(call, "\n"), grammar.marker(markers[1])});
}

}  // namespace

constexpr Dialect kDeepSeekV3{.name = "deepseek_v3",
                              .markers = kDeepSeekMarkers,
                              .think_begin = "<think>",
                              .think_end = "</think>",
                              .is_spoken = is_spoken,
                              .make_parser = make,
                              .add_calls = add_calls};

}  // namespace hone::text

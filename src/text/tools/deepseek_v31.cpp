// deepseek_v31: <｜tool▁calls▁begin｜><｜tool▁call▁begin｜>NAME<｜tool▁sep｜>JSON<｜tool▁call▁end｜>...<｜tool▁calls▁end｜>.
#include "text/tools/deepseek_markers.h"
#include "text/tools/marker_search.h"
#include "text/tools/section_parser.h"

namespace hone::text {

namespace {

class DeepSeekV31Reader final : public TokenReader {
  public:
    using TokenReader::TokenReader;

  private:
    Step read_head(std::string_view head, OutputWriter& out) override {
        const std::string_view name = stripped(head);
        if (name.empty()) return Step::broken;
        out.begin_call(name);
        return Step::next;
    }
};

std::unique_ptr<OutputParser> make(const Dialect& dialect, const ParserOptions& options) {
    const auto markers = deepseek_markers(options.spelling);
    return make_section_parser(dialect, options,
                               {.openers = {markers->section}, .opener_ends_reasoning = true, .make_reader = [markers] {
                                    return std::make_unique<DeepSeekV31Reader>(markers);
                                }});
}

bool is_spoken(const ChatTemplate& chat_template) {
    return chat_template.mentions(kDeepSeekMarkers[0]) && !chat_template.mentions("```json");
}

Expression add_calls(CallGrammar& grammar) {
    const auto& markers = kDeepSeekMarkers;
    const Expression call = grammar.any_tool([&](const DeclaredTool& tool) {
        return grammar.sequence({grammar.marker(markers[2]), grammar.text(tool.name), grammar.marker(markers[3]),
                                 grammar.arguments(tool), grammar.marker(markers[4])});
    });
    return grammar.sequence({grammar.marker(markers[0]), grammar.calls(call), grammar.marker(markers[1])});
}

}  // namespace

constexpr Dialect kDeepSeekV31{.name = "deepseek_v31",
                               .markers = kDeepSeekMarkers,
                               .think_begin = "<think>",
                               .think_end = "</think>",
                               .is_spoken = is_spoken,
                               .make_parser = make,
                               .add_calls = add_calls};

}  // namespace hone::text

// kimi_k2: <|tool_calls_section_begin|><|tool_call_begin|>functions.NAME:INDEX<|tool_call_argument_begin|>JSON
// <|tool_call_end|>...<|tool_calls_section_end|>. The id is kept as it is written.
#include "text/tools/marker_search.h"
#include "text/tools/section_parser.h"
#include "text/tools/token_calls.h"

namespace hone::text {

namespace {

constexpr std::string_view kMarkers[] = {"<|tool_calls_section_begin|>",
                                         "<|tool_calls_section_end|>",
                                         "<|tool_call_begin|>",
                                         "<|tool_call_argument_begin|>",
                                         "<|tool_call_end|>",
                                         "<think>",
                                         "</think>"};

std::string_view name_in(std::string_view id) {
    if (id.starts_with("functions.")) id.remove_prefix(10);
    const size_t colon = id.rfind(':');
    const bool has_index =
        colon != id.npos && colon + 1 < id.size() && id.find_first_not_of("0123456789", colon + 1) == id.npos;
    return has_index ? id.substr(0, colon) : id;
}

class KimiReader final : public TokenReader {
  public:
    using TokenReader::TokenReader;

  private:
    Step read_head(std::string_view head, OutputWriter& out) override {
        const std::string_view id = stripped(head), name = name_in(id);
        if (name.empty()) return Step::broken;
        out.begin_call(name, id);
        return Step::next;
    }
};

std::unique_ptr<OutputParser> make(const Dialect& dialect, const ParserOptions& options) {
    const auto markers = std::make_shared<const TokenMarkers>(TokenMarkers{.section = options.spelling(kMarkers[0]),
                                                                           .section_end = options.spelling(kMarkers[1]),
                                                                           .call = options.spelling(kMarkers[2]),
                                                                           .separator = options.spelling(kMarkers[3]),
                                                                           .call_end = options.spelling(kMarkers[4])});
    return make_section_parser(dialect, options,
                               {.openers = {markers->section, markers->call},
                                .opener_ends_reasoning = true,
                                .make_reader = [markers] { return std::make_unique<KimiReader>(markers); }});
}

bool is_spoken(const ChatTemplate& chat_template) {
    return chat_template.mentions(kMarkers[0]);
}

Expression add_calls(CallGrammar& grammar) {
    GrammarBuilder& builder = grammar.builder();
    const Expression index = builder.repeat(builder.bytes('0', '9'), 1, 3);
    const Expression call = grammar.any_tool([&](const DeclaredTool& tool) {
        return grammar.sequence({grammar.marker(kMarkers[2]), grammar.text("functions." + tool.name + ":"), index,
                                 grammar.marker(kMarkers[3]), grammar.arguments(tool), grammar.marker(kMarkers[4])});
    });
    return grammar.sequence({grammar.marker(kMarkers[0]), grammar.calls(call), grammar.marker(kMarkers[1])});
}

}  // namespace

constexpr Dialect kKimiK2{.name = "kimi_k2",
                          .markers = kMarkers,
                          .think_begin = "<think>",
                          .think_end = "</think>",
                          .is_spoken = is_spoken,
                          .make_parser = make,
                          .add_calls = add_calls};

}  // namespace hone::text

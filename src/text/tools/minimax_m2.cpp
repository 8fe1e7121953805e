// minimax_m2: <minimax:tool_call><invoke name="NAME"><parameter name="KEY">VALUE</parameter></invoke>...
// </minimax:tool_call>.
#include "text/tools/dialect.h"
#include "text/tools/section_parser.h"
#include "text/tools/xml_calls.h"

namespace hone::text {

namespace {

constexpr std::string_view kMarkers[] = {"<minimax:tool_call>", "</minimax:tool_call>", "<think>", "</think>"};

XmlTags tags_of(const MarkerSpelling& spelling) {
    return {.section = spelling(kMarkers[0]),
            .section_end = spelling(kMarkers[1]),
            .function = "<invoke name=",
            .function_end = "</invoke>",
            .parameter = "<parameter name=",
            .parameter_end = "</parameter>",
            .quoted_names = true};
}

std::unique_ptr<OutputParser> make(const Dialect& dialect, const ParserOptions& options) {
    const auto tags = std::make_shared<const XmlTags>(tags_of(options.spelling));
    const auto make_reader = [tags, tools = options.tools] { return std::make_unique<XmlReader>(tags, tools); };
    return make_section_parser(dialect, options, {.openers = {tags->section}, .make_reader = make_reader});
}

bool is_spoken(const ChatTemplate& chat_template) {
    return chat_template.mentions(kMarkers[0]);
}

Expression add_calls(CallGrammar& grammar) {
    const Expression function = xml_function(grammar, tags_of({}), "");
    return grammar.sequence({grammar.marker(kMarkers[0]), grammar.text("\n"), grammar.calls(function, "\n"),
                             grammar.text("\n"), grammar.marker(kMarkers[1])});
}

}  // namespace

constexpr Dialect kMinimaxM2{.name = "minimax_m2",
                             .markers = kMarkers,
                             .think_begin = "<think>",
                             .think_end = "</think>",
                             .is_spoken = is_spoken,
                             .make_parser = make,
                             .add_calls = add_calls};

}  // namespace hone::text

// qwen3_coder (also Qwen3.5): <tool_call><function=NAME><parameter=KEY>VALUE</parameter></function></tool_call>. The
// outer tag may be missing where the function is a declared one.
#include "text/tools/dialect.h"
#include "text/tools/section_parser.h"
#include "text/tools/xml_calls.h"

namespace hone::text {

namespace {

constexpr std::string_view kMarkers[] = {"<tool_call>", "</tool_call>", "<think>", "</think>"};

XmlTags tags_of(const MarkerSpelling& spelling) {
    return {.section = spelling(kMarkers[0]),
            .section_end = spelling(kMarkers[1]),
            .function = "<function=",
            .function_end = "</function>",
            .parameter = "<parameter=",
            .parameter_end = "</parameter>"};
}

std::unique_ptr<OutputParser> make(const Dialect& dialect, const ParserOptions& options) {
    const auto tags = std::make_shared<const XmlTags>(tags_of(options.spelling));
    std::vector<std::string> openers{tags->section};
    for (size_t i = 0; options.tools && i < options.tools->size(); ++i)
        openers.push_back(tags->function + (*options.tools)[i].name + ">");
    const auto make_reader = [tags, tools = options.tools] { return std::make_unique<XmlReader>(tags, tools); };
    return make_section_parser(dialect, options, {.openers = std::move(openers), .make_reader = make_reader});
}

bool is_spoken(const ChatTemplate& chat_template) {
    return chat_template.mentions(kMarkers[0]) && chat_template.mentions("<function=");
}

Expression add_calls(CallGrammar& grammar) {
    const Expression function = xml_function(grammar, tags_of({}), "\n");
    return grammar.calls(grammar.sequence({grammar.marker(kMarkers[0]), grammar.text("\n"), function,
                                           grammar.text("\n"), grammar.marker(kMarkers[1])}),
                         "\n");
}

}  // namespace

constexpr Dialect kQwen3Coder{.name = "qwen3_coder",
                              .markers = kMarkers,
                              .think_begin = "<think>",
                              .think_end = "</think>",
                              .is_spoken = is_spoken,
                              .make_parser = make,
                              .add_calls = add_calls};

}  // namespace hone::text

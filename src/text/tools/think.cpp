// think: reasoning in <think> tags and no calls, for models whose way of writing calls we do not know.
#include "text/tools/dialect.h"
#include "text/tools/section_parser.h"

namespace hone::text {

namespace {

constexpr std::string_view kMarkers[] = {"<think>", "</think>"};

std::unique_ptr<OutputParser> make(const Dialect& dialect, const ParserOptions& options) {
    return make_section_parser(dialect, options, {});
}

bool is_spoken(const ChatTemplate& chat_template) {
    return chat_template.mentions(kMarkers[0]);
}

}  // namespace

constexpr Dialect kThink{.name = "think",
                         .markers = kMarkers,
                         .think_begin = "<think>",
                         .think_end = "</think>",
                         .is_spoken = is_spoken,
                         .make_parser = make};

}  // namespace hone::text

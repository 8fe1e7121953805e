#include "text/chat/chat_template.h"

#include <algorithm>

#include <boost/json.hpp>

#include "text/chat/evaluator.h"
#include "text/chat/name_resolution.h"
#include "text/chat/parser.h"
#include "text/chat/unicode_text.h"

namespace hone::text {

namespace chat {

struct ParsedTemplate {
    std::string name;
    std::string source;  // normalised; the tree points into it
    Heap heap;
    Template tree = {};
};

}  // namespace chat

namespace {

constexpr size_t kLargestSource = size_t{1} << 20;

}  // namespace

Result<ChatTemplate> ChatTemplate::parse(std::string source, std::string name) {
    if (source.size() > kLargestSource)
        return error("{}: a chat template of {} bytes; at most {} are read", name, source.size(), kLargestSource);
    if (!is_valid_utf8(source)) return error("{}: the chat template is not UTF-8", name);
    auto parsed = std::make_shared<chat::ParsedTemplate>();
    parsed->name = std::move(name);
    parsed->source = chat::normalize_source(source);
    chat::Parser parser(chat::tokenize(parsed->source, parsed->heap), parsed->heap);
    parsed->tree = parser.parse();
    parsed->tree.name = parsed->name;
    std::optional<chat::Failure> failure = parser.failure();
    if (!failure) failure = chat::resolve_names(parsed->tree, parsed->heap);
    if (failure) return failure->as_error(parsed->name);
    ChatTemplate result;
    result.parsed_ = std::move(parsed);
    return result;
}

Result<Rendered> ChatTemplate::render(const boost::json::object& context, const RenderOptions& options) const {
    chat::Rendering rendering(options.limits);
    rendering.clock = options.clock;
    chat::Evaluator evaluator(parsed_->tree, context, rendering);
    evaluator.run();
    if (rendering.failed()) return rendering.failure().as_error(parsed_->name);
    return Rendered{std::move(evaluator.output()), std::move(evaluator.generation_spans())};
}

const std::string& ChatTemplate::name() const {
    return parsed_->name;
}

bool ChatTemplate::has_literal(std::string_view text) const {
    return std::any_of(parsed_->tree.literals.begin(), parsed_->tree.literals.end(),
                       [text](std::string_view literal) { return literal.find(text) != literal.npos; });
}

bool ChatTemplate::mentions(std::string_view text) const {
    return parsed_->source.find(text) != std::string::npos;
}

}  // namespace hone::text

// A chat template: Jinja as published models use it, with the environment that transformers builds for it (immutable
// sandbox, trim_blocks, lstrip_blocks, loop controls, tojson, raise_exception, strftime_now, {% generation %}). Owns
// its source and its syntax tree; immutable once parsed, any thread may render, each rendering has its own memory and
// budget. Never throws, never crashes, always ends, whatever the template and the context are; failures name the
// template, the line and the reason.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/json/fwd.hpp>

#include "base/result.h"
#include "text/chat/rendering.h"

namespace hone::text {

namespace chat {
struct ParsedTemplate;
}

struct RenderOptions {
    // What strftime_now reads; else the local time.
    std::optional<std::chrono::local_seconds> clock = {};
    RenderLimits limits = {};
};

struct Rendered {
    std::string text;
    // [start, end) in code points of `text`, one per {% generation %} block, in the order in which they end.
    std::vector<std::pair<size_t, size_t>> generation_spans = {};
};

class ChatTemplate {
  public:
    // `name` is for messages. The error reads "NAME, line N: CLASS: REASON", CLASS as Jinja calls it.
    static Result<ChatTemplate> parse(std::string source, std::string name);

    // Variables are the members of `context`. The same form of error; a template that called raise_exception has the
    // CLASS TemplateError, one that used up its limits BudgetError.
    Result<Rendered> render(const boost::json::object& context, const RenderOptions& options = {}) const;

    const std::string& name() const;
    // Whether any text of the template, outside of its tags or in a string constant, contains `text`.
    bool has_literal(std::string_view text) const;
    // Whether the source contains `text` anywhere.
    bool mentions(std::string_view text) const;

  private:
    std::shared_ptr<const chat::ParsedTemplate> parsed_;
};

}  // namespace hone::text

// What can go wrong in a template: the class that Python and Jinja give the same mistake, its message, and where it
// happened. Parsing and rendering keep the first failure and unwind; the public functions turn it into an Error.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hone::text::chat {

enum class ErrorClass : uint8_t {
    syntax,     // TemplateSyntaxError: the template is not Jinja
    assertion,  // TemplateAssertionError: unknown filters and the like, found while parsing
    runtime,    // TemplateRuntimeError
    undefined,  // UndefinedError
    security,   // SecurityError
    refusal,    // TemplateError: the template called raise_exception
    filter_argument,
    python_syntax,
    type,
    value,
    key,
    index,
    attribute,
    zero_division,
    overflow,
    assert_failed,
    recursion,
    budget,  // ours: a limit of RenderLimits
};

std::string_view error_class_name(ErrorClass error_class);

struct Failure {
    ErrorClass error_class = ErrorClass::runtime;
    std::string message;
    uint32_t line = 0;

    // "NAME, line 3: TemplateSyntaxError: unexpected '}'".
    Error as_error(std::string_view template_name) const;
};

}  // namespace hone::text::chat

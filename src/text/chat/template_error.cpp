#include "text/chat/template_error.h"

namespace hone::text::chat {

std::string_view error_class_name(ErrorClass error_class) {
    switch (error_class) {
        case ErrorClass::syntax:
            return "TemplateSyntaxError";
        case ErrorClass::assertion:
            return "TemplateAssertionError";
        case ErrorClass::runtime:
            return "TemplateRuntimeError";
        case ErrorClass::undefined:
            return "UndefinedError";
        case ErrorClass::security:
            return "SecurityError";
        case ErrorClass::refusal:
            return "TemplateError";
        case ErrorClass::filter_argument:
            return "FilterArgumentError";
        case ErrorClass::python_syntax:
            return "SyntaxError";
        case ErrorClass::type:
            return "TypeError";
        case ErrorClass::value:
            return "ValueError";
        case ErrorClass::key:
            return "KeyError";
        case ErrorClass::index:
            return "IndexError";
        case ErrorClass::attribute:
            return "AttributeError";
        case ErrorClass::zero_division:
            return "ZeroDivisionError";
        case ErrorClass::overflow:
            return "OverflowError";
        case ErrorClass::assert_failed:
            return "AssertionError";
        case ErrorClass::recursion:
            return "RecursionError";
        case ErrorClass::budget:
            return "BudgetError";
    }
    return "Error";
}

Error Failure::as_error(std::string_view template_name) const {
    return error("{}, line {}: {}: {}", template_name, line, error_class_name(error_class), message);
}

}  // namespace hone::text::chat

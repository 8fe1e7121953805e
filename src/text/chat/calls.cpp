// Calls: arguments, macros with their special variables, recursive loops, blocks by name.
#include <algorithm>

#include "text/chat/evaluator.h"
#include "text/chat/native.h"
#include "text/chat/python_text.h"

namespace hone::text::chat {

// *args and **kwargs.
bool Evaluator::spread(const ArgumentsSyntax& syntax, std::vector<Value>& positional, std::vector<Keyword>& keyword) {
    if (syntax.star) {
        std::vector<Value> more = elements(rendering_, evaluate(*syntax.star));
        positional.insert(positional.end(), more.begin(), more.end());
    }
    if (!syntax.double_star) return !rendering_.failed();
    Value mapping = evaluate(*syntax.double_star);
    if (!mapping.is(Kind::dict)) {
        rendering_.fail(ErrorClass::type, "argument after ** must be a mapping, not {}", type_name(mapping));
        return false;
    }
    for (const Entry& entry : mapping.dict().entries) {
        if (!entry.key.is(Kind::string)) rendering_.fail(ErrorClass::type, "keywords must be strings");
        if (rendering_.failed()) return false;
        for (const Keyword& given : keyword)
            if (given.name == entry.key.text())
                rendering_.fail(ErrorClass::type, "got multiple values for keyword argument {}",
                                python_quoted(given.name));
        if (!rendering_.spend(keyword.size())) return false;
        keyword.push_back({entry.key.text(), entry.value});
    }
    return !rendering_.failed();
}

// The arguments live in the rendering's heap: lazy filters keep them. False if it failed.
bool Evaluator::evaluate_arguments(const ArgumentsSyntax& syntax, const Value* caller, Arguments& out) {
    bool is_plain = !syntax.star && !syntax.double_star;
    if (is_plain && syntax.keyword.empty() && !caller) {
        if (syntax.positional.empty()) return !rendering_.failed();
        std::span<Value> positional = rendering_.heap().array<Value>(syntax.positional.size());
        for (size_t i = 0; i < positional.size(); ++i) positional[i] = evaluate(*syntax.positional[i]);
        out.positional = positional;
        return !rendering_.failed();
    }
    std::vector<Value> positional;
    std::vector<Keyword> keyword;
    for (const Expression* argument : syntax.positional) positional.push_back(evaluate(*argument));
    for (const KeywordSyntax& argument : syntax.keyword) keyword.push_back({argument.name, evaluate(*argument.value)});
    if (caller) keyword.push_back({"caller", *caller});
    if (!is_plain && !spread(syntax, positional, keyword)) return false;
    out.positional = rendering_.heap().copy(positional);
    out.keyword = rendering_.heap().copy(keyword);
    return !rendering_.failed();
}

Value Evaluator::evaluate_call(const CallSyntax& node, const Value* caller) {
    Value callee = evaluate(*node.callee);
    Arguments arguments;
    if (rendering_.failed() || !evaluate_arguments(node.arguments, caller, arguments)) return rendering_.nothing();
    rendering_.line = node.line;
    return call(callee, arguments);
}

Value Evaluator::call(const Value& callee, const Arguments& arguments) {
    switch (callee.kind()) {
        case Kind::function:
            return call_native(rendering_, *callee.object<const Native>(), Value(), arguments);
        case Kind::method: {
            auto* method = callee.object<BoundMethod>();
            return call_native(rendering_, *method->native, method->self, arguments);
        }
        case Kind::macro:
            return call_macro(*callee.object<Macro>(), arguments);
        case Kind::loop:
            return call_loop(*callee.object<Loop>(), arguments);
        case Kind::joiner: {
            auto* joiner = callee.object<Joiner>();
            return std::exchange(joiner->is_used, true) ? joiner->separator : Value::string("");
        }
        case Kind::block: {
            size_t capture = begin_capture();
            run_block(*callee.object<const BlockSyntax>());
            return end_capture(capture);
        }
        case Kind::undefined:
            return rendering_.fail_undefined(callee);
        default:
            return rendering_.fail(ErrorClass::type, "'{}' object is not callable", type_name(callee));
    }
}

Value Evaluator::call_loop(Loop& loop, const Arguments& arguments) {
    if (!loop.syntax->is_recursive)
        return rendering_.fail(ErrorClass::type, "The loop must have the 'recursive' marker to be called recursively.");
    if (arguments.positional.size() != 1 || !arguments.keyword.empty())
        return rendering_.fail(ErrorClass::type, "loop() takes 1 argument");
    size_t capture = begin_capture();
    run_recursive_loop(*loop.syntax, arguments.positional[0], loop.depth0 + 1, loop.outer);
    return end_capture(capture);
}

// caller, kwargs and varargs, where the macro uses them; arguments left over where it does not are a TypeError.
bool Evaluator::bind_special(const MacroSyntax& syntax, const Arguments& arguments, std::vector<Keyword>& rest,
                             Activation& activation) {
    auto caller =
        std::find_if(rest.begin(), rest.end(), [](const Keyword& argument) { return argument.name == "caller"; });
    if (syntax.caller_slot >= 0) {
        activation.slots[syntax.caller_slot] = caller != rest.end() && !caller->value.is(Kind::none)
                                                   ? caller->value
                                                   : rendering_.undefined_hint("No caller defined");
        if (caller != rest.end()) rest.erase(caller);
        caller = rest.end();
    }
    if (syntax.keywords_slot >= 0) {
        std::vector<Entry> entries;
        for (const Keyword& argument : rest) entries.push_back({Value::string(argument.name), argument.value});
        activation.slots[syntax.keywords_slot] = rendering_.dict(entries);
    } else if (caller != rest.end()) {
        rendering_.fail(
            ErrorClass::type,
            "macro {} was invoked with two values for the special caller argument. This is most likely a bug.",
            python_quoted(syntax.name));
    } else if (!rest.empty()) {
        rendering_.fail(ErrorClass::type, "macro {} takes no keyword argument {}", python_quoted(syntax.name),
                        python_quoted(rest[0].name));
    }
    size_t taken = std::min(arguments.positional.size(), syntax.parameters.size());
    if (syntax.varargs_slot >= 0)
        activation.slots[syntax.varargs_slot] = Value::tuple(arguments.positional.subspan(taken));
    else if (arguments.positional.size() > taken)
        rendering_.fail(ErrorClass::type, "macro {} takes not more than {} argument(s)", python_quoted(syntax.name),
                        syntax.parameters.size());
    return !rendering_.failed();
}

bool Evaluator::bind_macro(const MacroSyntax& syntax, const Arguments& arguments, Activation& activation) {
    std::vector<Keyword> rest(arguments.keyword.begin(), arguments.keyword.end());
    for (size_t i = 0; i < syntax.parameters.size(); ++i) {
        Value& slot = activation.slots[syntax.parameters[i]->variable.slot];
        if (i < arguments.positional.size()) {
            slot = arguments.positional[i];
            continue;
        }
        auto named = std::find_if(rest.begin(), rest.end(),
                                  [&](const Keyword& argument) { return argument.name == syntax.parameters[i]->name; });
        if (named == rest.end()) continue;
        slot = named->value;
        rest.erase(named);
    }
    return bind_special(syntax, arguments, rest, activation);
}

Value Evaluator::call_macro(const Macro& macro, const Arguments& arguments) {
    Deeper level(rendering_);
    if (!rendering_.spend() || !level.is_allowed()) return rendering_.nothing();
    const MacroSyntax& syntax = *macro.syntax;
    Activation* activation = new_activation(syntax.slots, macro.closure);
    if (!bind_macro(syntax, arguments, *activation)) return rendering_.nothing();

    Activation* caller = std::exchange(activation_, activation);
    bool outer_autoescape = std::exchange(rendering_.autoescape, macro.autoescape);
    size_t capture = begin_capture();
    enter(syntax.scope);
    size_t first_default = syntax.parameters.size() - syntax.defaults.size();
    for (size_t i = 0; i < syntax.parameters.size(); ++i) {
        const NameSyntax& parameter = *syntax.parameters[i];
        Value& slot = activation->slots[parameter.variable.slot];
        if (!slot.is(Kind::missing)) continue;
        Value value =
            i < first_default
                ? rendering_.undefined_hint(fmt::format("parameter {} was not provided", python_quoted(parameter.name)))
                : evaluate(*syntax.defaults[i - first_default]);
        slot = value;
    }
    if (!rendering_.failed()) run(syntax.body);
    activation_ = caller;
    rendering_.autoescape = outer_autoescape;
    return end_capture(capture);
}

}  // namespace hone::text::chat

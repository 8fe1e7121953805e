// The tests of `value is name`.
#include <unordered_map>

#include "text/chat/filters.h"
#include "text/chat/method_table.h"
#include "text/chat/native.h"
#include "text/chat/objects.h"
#include "text/chat/operators.h"
#include "text/chat/python_text.h"

namespace hone::text::chat {

namespace {

using Test = bool (*)(const Value&);

// A test of the value alone.
template <Test test>
Value check(Rendering&, const Value& self, const Arguments&) {
    return Value::boolean(test(self));
}

template <Kind kind>
bool is_kind(const Value& value) {
    return value.is(kind);
}
bool is_defined(const Value& value) {
    return !value.is(Kind::undefined);
}
bool is_truth(const Value& value) {
    return value.is(Kind::boolean) && value.truth();
}
bool is_falsehood(const Value& value) {
    return value.is(Kind::boolean) && !value.truth();
}
bool is_number(const Value& value) {
    return value.is_number();
}
bool is_iterable(const Value& value) {
    return value.is(Kind::undefined) || value.is(Kind::iterator) || length(value) || value.is(Kind::loop);
}
// Has a length and elements by number or key; an undefined value and a dictionary do.
bool is_sequence(const Value& value) {
    return length(value) && !value.is(Kind::view);
}
bool is_callable(const Value& value) {
    switch (value.kind()) {
        case Kind::macro:
        case Kind::loop:
        case Kind::method:
        case Kind::function:
        case Kind::joiner:
        case Kind::block:
        case Kind::undefined:
            return true;
        default:
            return false;
    }
}
bool is_escaped(const Value& value) {
    return value.is_markup();
}

Value remainder_is(Rendering& rendering, const Value& self, const Value& divisor, Integer wanted) {
    Value rest = apply(rendering, BinaryOperator::modulo, self, divisor);
    return Value::boolean(equals(rendering, rest, Value::integer(wanted)));
}
Value is_odd(Rendering& rendering, const Value& self, const Arguments&) {
    return remainder_is(rendering, self, Value::integer(2), 1);
}
Value is_even(Rendering& rendering, const Value& self, const Arguments&) {
    return remainder_is(rendering, self, Value::integer(2), 0);
}
Value is_divisible(Rendering& rendering, const Value& self, const Arguments& arguments) {
    return remainder_is(rendering, self, arguments.positional[0], 0);
}

template <Comparison op>
Value is_in_relation(Rendering& rendering, const Value& self, const Arguments& arguments) {
    return Value::boolean(compare(rendering, op, self, arguments.positional[0]));
}

Value is_same(Rendering&, const Value& self, const Arguments& arguments) {
    return Value::boolean(self.is_same_as(arguments.positional[0]));
}

Value has_case(Rendering& rendering, const Value& self, std::string_view method) {
    return call_native(rendering, *find_methods(method)->of_string, Value::string(to_str(rendering, self)), {});
}
Value is_lower(Rendering& rendering, const Value& self, const Arguments&) {
    return has_case(rendering, self, "islower");
}
Value is_upper(Rendering& rendering, const Value& self, const Arguments&) {
    return has_case(rendering, self, "isupper");
}

Value is_filter_name(Rendering&, const Value& self, const Arguments&) {
    return Value::boolean(self.is(Kind::string) && find_filter(self.text()));
}
Value is_test_name(Rendering&, const Value& self, const Arguments&) {
    return Value::boolean(self.is(Kind::string) && find_test(self.text()));
}

constexpr Native kTests[] = {
    {"boolean", {}, 0, check<is_kind<Kind::boolean>>},
    {"callable", {}, 0, check<is_callable>},
    {"defined", {}, 0, check<is_defined>},
    {"divisibleby", {"num"}, 1, is_divisible},
    {"escaped", {}, 0, check<is_escaped>},
    {"even", {}, 0, is_even},
    {"false", {}, 0, check<is_falsehood>},
    {"filter", {}, 0, is_filter_name},
    {"float", {}, 0, check<is_kind<Kind::real>>},
    {"in", {"seq"}, 1, is_in_relation<Comparison::in>},
    {"integer", {}, 0, check<is_kind<Kind::integer>>},
    {"iterable", {}, 0, check<is_iterable>},
    {"lower", {}, 0, is_lower},
    {"mapping", {}, 0, check<is_kind<Kind::dict>>},
    {"none", {}, 0, check<is_kind<Kind::none>>},
    {"number", {}, 0, check<is_number>},
    {"odd", {}, 0, is_odd},
    {"sameas", {"other"}, 1, is_same},
    {"sequence", {}, 0, check<is_sequence>},
    {"string", {}, 0, check<is_kind<Kind::string>>},
    {"test", {}, 0, is_test_name},
    {"true", {}, 0, check<is_truth>},
    {"undefined", {}, 0, check<is_kind<Kind::undefined>>},
    {"upper", {}, 0, is_upper},
    {"==", {"other"}, 1, is_in_relation<Comparison::equal>},
    {"eq", {"other"}, 1, is_in_relation<Comparison::equal>},
    {"equalto", {"other"}, 1, is_in_relation<Comparison::equal>},
    {"!=", {"other"}, 1, is_in_relation<Comparison::not_equal>},
    {"ne", {"other"}, 1, is_in_relation<Comparison::not_equal>},
    {">", {"other"}, 1, is_in_relation<Comparison::greater>},
    {"gt", {"other"}, 1, is_in_relation<Comparison::greater>},
    {"greaterthan", {"other"}, 1, is_in_relation<Comparison::greater>},
    {">=", {"other"}, 1, is_in_relation<Comparison::greater_equal>},
    {"ge", {"other"}, 1, is_in_relation<Comparison::greater_equal>},
    {"<", {"other"}, 1, is_in_relation<Comparison::less>},
    {"lt", {"other"}, 1, is_in_relation<Comparison::less>},
    {"lessthan", {"other"}, 1, is_in_relation<Comparison::less>},
    {"<=", {"other"}, 1, is_in_relation<Comparison::less_equal>},
    {"le", {"other"}, 1, is_in_relation<Comparison::less_equal>},
};

}  // namespace

const Native* find_test(std::string_view name) {
    static const auto table = [] {
        std::unordered_map<std::string_view, const Native*> tests;
        for (const Native& test : kTests) tests[test.name] = &test;
        return tests;
    }();
    auto entry = table.find(name);
    return entry == table.end() ? nullptr : entry->second;
}

}  // namespace hone::text::chat

#include "text/chat/access.h"
#include "text/chat/evaluator.h"
#include "text/chat/markup.h"
#include "text/chat/native.h"
#include "text/chat/python_text.h"

namespace hone::text::chat {

Value Evaluator::evaluate(const Expression& node) {
    Deeper level(rendering_);
    if (!rendering_.spend()) return rendering_.nothing();
    rendering_.line = node.line;
    switch (node.kind) {
        case ExpressionKind::constant:
            return static_cast<const ConstantSyntax&>(node).value;
        case ExpressionKind::name:
            return evaluate_name(static_cast<const NameSyntax&>(node));
        case ExpressionKind::tuple:
        case ExpressionKind::list:
            return evaluate_items(static_cast<const SequenceSyntax&>(node));
        case ExpressionKind::concat:
            return evaluate_concat(static_cast<const SequenceSyntax&>(node));
        case ExpressionKind::dict:
            return evaluate_dict(static_cast<const DictSyntax&>(node));
        case ExpressionKind::negate:
            return negate(rendering_, evaluate(*static_cast<const UnarySyntax&>(node).operand));
        case ExpressionKind::plus:
            return plus(rendering_, evaluate(*static_cast<const UnarySyntax&>(node).operand));
        case ExpressionKind::logical_not:
            return Value::boolean(!is_true(evaluate(*static_cast<const UnarySyntax&>(node).operand)));
        case ExpressionKind::logical_and: {
            Value left = evaluate(*static_cast<const BinarySyntax&>(node).left);
            return is_true(left) ? evaluate(*static_cast<const BinarySyntax&>(node).right) : left;
        }
        case ExpressionKind::logical_or: {
            Value left = evaluate(*static_cast<const BinarySyntax&>(node).left);
            return is_true(left) ? left : evaluate(*static_cast<const BinarySyntax&>(node).right);
        }
        case ExpressionKind::binary: {
            const auto& binary = static_cast<const BinarySyntax&>(node);
            Value left = evaluate(*binary.left), right = evaluate(*binary.right);
            rendering_.line = node.line;
            return rendering_.failed() ? rendering_.nothing() : apply(rendering_, binary.op, left, right);
        }
        case ExpressionKind::compare:
            return evaluate_compare(static_cast<const CompareSyntax&>(node));
        case ExpressionKind::conditional:
            return evaluate_conditional(static_cast<const ConditionalSyntax&>(node));
        case ExpressionKind::attribute: {
            const auto& attribute = static_cast<const AttributeSyntax&>(node);
            Value object = evaluate(*attribute.object);
            rendering_.line = node.line;
            return rendering_.failed() ? rendering_.nothing()
                                       : get_attribute(rendering_, object, attribute.name, attribute.methods);
        }
        case ExpressionKind::item: {
            const auto& item = static_cast<const ItemSyntax&>(node);
            Value object = evaluate(*item.object), key = evaluate(*item.key);
            rendering_.line = node.line;
            return rendering_.failed() ? rendering_.nothing() : get_item(rendering_, object, key);
        }
        case ExpressionKind::slice:
            return evaluate_slice(static_cast<const SliceSyntax&>(node));
        case ExpressionKind::call:
            return evaluate_call(static_cast<const CallSyntax&>(node), nullptr);
        case ExpressionKind::filter:
            return evaluate_filter(static_cast<const FilterSyntax&>(node));
        case ExpressionKind::test:
            return evaluate_test(static_cast<const FilterSyntax&>(node));
        case ExpressionKind::namespace_attribute:
            break;  // only ever a target
    }
    return rendering_.nothing();
}

Value Evaluator::evaluate_name(const NameSyntax& name) {
    const Value& value = activation_->at(name.variable);
    return value.is(Kind::missing) ? Value::undefined(&name.absent) : value;
}

Value Evaluator::evaluate_items(const SequenceSyntax& node) {
    std::span<Value> items = rendering_.heap().array<Value>(node.items.size());
    for (size_t i = 0; i < items.size() && !rendering_.failed(); ++i) items[i] = evaluate(*node.items[i]);
    return node.kind == ExpressionKind::list ? Value::list(items) : Value::tuple(items);
}

// a ~ b ~ c: the texts of all one after the other; escaped to markup in an autoescape block.
Value Evaluator::evaluate_concat(const SequenceSyntax& node) {
    bool is_markup = false;
    std::vector<Value> values;
    values.reserve(node.items.size());
    for (const Expression* item : node.items) {
        values.push_back(evaluate(*item));
        if (rendering_.failed()) return rendering_.nothing();
        is_markup |= rendering_.autoescape && values.back().is_markup();
    }
    Value joined = Value::string({}, is_markup);
    for (const Value& value : values) {
        std::string_view piece = is_markup ? escaped(rendering_, value) : to_str(rendering_, value);
        joined = rendering_.concatenate(joined.text(), piece, is_markup);
        if (rendering_.failed()) return rendering_.nothing();
    }
    return joined;
}

Value Evaluator::evaluate_dict(const DictSyntax& node) {
    std::vector<Entry> entries;
    entries.reserve(node.items.size());
    for (const DictItemSyntax& item : node.items) {
        Value key = evaluate(*item.key);
        entries.push_back({key, evaluate(*item.value)});
    }
    return rendering_.failed() ? rendering_.nothing() : rendering_.dict(entries);
}

Value Evaluator::evaluate_compare(const CompareSyntax& node) {
    Value left = evaluate(*node.left);
    for (const ComparisonLink& link : node.links) {
        Value right = evaluate(*link.right);
        rendering_.line = node.line;
        if (rendering_.failed() || !compare(rendering_, link.op, left, right)) return Value::boolean(false);
        left = right;
    }
    return Value::boolean(true);
}

Value Evaluator::evaluate_conditional(const ConditionalSyntax& node) {
    if (is_true(evaluate(*node.test))) return evaluate(*node.value);
    if (node.otherwise) return evaluate(*node.otherwise);
    return rendering_.undefined_hint(fmt::format(
        "the inline if-expression on line {} evaluated to false and no else section was defined.", node.line));
}

Value Evaluator::evaluate_slice(const SliceSyntax& node) {
    Value object = evaluate(*node.object);
    Value start = evaluate_optional(node.start), stop = evaluate_optional(node.stop),
          step = evaluate_optional(node.step);
    rendering_.line = node.line;
    return rendering_.failed() ? rendering_.nothing() : get_slice(rendering_, object, start, stop, step);
}

Value Evaluator::apply_filter(const FilterSyntax& node, const Value& operand) {
    Arguments arguments;
    if (!evaluate_arguments(node.arguments, nullptr, arguments)) return rendering_.nothing();
    rendering_.line = node.line;
    if (!node.native)
        return rendering_.fail(ErrorClass::runtime, "No filter named {} found.", python_quoted(node.name));
    return call_native(rendering_, *node.native, operand, arguments);
}

Value Evaluator::evaluate_filter(const FilterSyntax& node) {
    Value operand = evaluate(*node.operand);
    return rendering_.failed() ? rendering_.nothing() : apply_filter(node, operand);
}

// The filters of a block: `filter` is the last of them, the first one's operand is the block's text.
Value Evaluator::apply_filter_chain(const FilterSyntax& filter, const Value& text) {
    Deeper level(rendering_);
    if (!level.is_allowed()) return rendering_.nothing();
    Value operand = filter.operand ? apply_filter_chain(static_cast<const FilterSyntax&>(*filter.operand), text) : text;
    return rendering_.failed() ? rendering_.nothing() : apply_filter(filter, operand);
}

Value Evaluator::evaluate_test(const FilterSyntax& node) {
    Value operand = evaluate(*node.operand);
    Arguments arguments;
    if (rendering_.failed() || !evaluate_arguments(node.arguments, nullptr, arguments)) return rendering_.nothing();
    rendering_.line = node.line;
    if (!node.native) return rendering_.fail(ErrorClass::runtime, "No test named {} found.", python_quoted(node.name));
    return call_native(rendering_, *node.native, operand, arguments);
}

}  // namespace hone::text::chat

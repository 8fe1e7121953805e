// Equality, order, membership and hashes of values.
#include <algorithm>
#include <cmath>

#include "text/chat/objects.h"
#include "text/chat/operators.h"

namespace hone::text::chat {

namespace {

constexpr std::string_view kComparisonSymbols[] = {"==", "!=", "<", "<=", ">", ">="};

// -1, 0, 1; 2 if one is not a number. Exact: an integer is not rounded to compare it with a double.
int order_numbers(const Value& left, const Value& right) {
    if (left.is_integral() && right.is_integral())
        return left.integer() < right.integer() ? -1 : left.integer() > right.integer();
    double a = as_real(left), b = as_real(right);
    if (std::isnan(a) || std::isnan(b)) return 2;
    if (a != b || (left.is(Kind::real) && right.is(Kind::real)) || std::abs(a) >= 0x1p126) return a < b ? -1 : a > b;
    Integer exact_left = left.is(Kind::real) ? static_cast<Integer>(a) : left.integer();
    Integer exact_right = right.is(Kind::real) ? static_cast<Integer>(b) : right.integer();
    return exact_left < exact_right ? -1 : exact_left > exact_right;
}

bool equal_items(Rendering& rendering, std::span<const Value> left, std::span<const Value> right) {
    if (left.size() != right.size()) return false;
    for (size_t i = 0; i < left.size(); ++i)
        if (!equals(rendering, left[i], right[i])) return false;
    return true;
}

bool equal_dicts(Rendering& rendering, const Dict& left, const Dict& right) {
    if (left.entries.size() != right.entries.size()) return false;
    for (const Entry& entry : left.entries) {
        const Value* other = find_key(rendering, right, entry.key);
        if (!other || !equals(rendering, entry.value, *other)) return false;
    }
    return true;
}

bool order(Rendering& rendering, Comparison op, const Value& left, const Value& right);

bool order_items(Rendering& rendering, Comparison op, std::span<const Value> left, std::span<const Value> right) {
    size_t common = std::min(left.size(), right.size());
    for (size_t i = 0; i < common; ++i) {
        if (equals(rendering, left[i], right[i])) continue;
        return !rendering.failed() && order(rendering, op, left[i], right[i]);
    }
    auto size = [](std::span<const Value> items) { return Value::integer(static_cast<Integer>(items.size())); };
    return order(rendering, op, size(left), size(right));
}

bool holds(Comparison op, int order) {
    switch (op) {
        case Comparison::less:
            return order == -1;
        case Comparison::less_equal:
            return order == -1 || order == 0;
        case Comparison::greater:
            return order == 1;
        default:
            return order == 1 || order == 0;
    }
}

// left < right, <=, > or >=.
bool order(Rendering& rendering, Comparison op, const Value& left, const Value& right) {
    Deeper level(rendering);
    if (!rendering.spend() || !level.is_allowed()) return false;
    if (left.is_number() && right.is_number()) return holds(op, order_numbers(left, right));
    if (left.is(Kind::string) && right.is(Kind::string)) {
        rendering.spend_on_text(std::min(left.text().size(), right.text().size()));
        int compared = left.text().compare(right.text());  // bytes of UTF-8 order as code points do
        return holds(op, compared < 0 ? -1 : compared > 0);
    }
    if (left.is_sequence() && left.kind() == right.kind())
        return order_items(rendering, op, left.items(), right.items());
    if (left.is(Kind::undefined)) rendering.fail_undefined(left);
    if (right.is(Kind::undefined)) rendering.fail_undefined(right);
    rendering.fail(ErrorClass::type, "'{}' not supported between instances of '{}' and '{}'",
                   kComparisonSymbols[static_cast<size_t>(op)], type_name(left), type_name(right));
    return false;
}

}  // namespace

bool equals(Rendering& rendering, const Value& left, const Value& right) {
    if (!rendering.spend()) return false;
    if (left.is_number() && right.is_number()) return order_numbers(left, right) == 0;
    if (left.kind() != right.kind()) return false;
    if (left.is(Kind::string)) {
        if (left.text().size() != right.text().size()) return false;
        return rendering.spend_on_text(left.text().size()) && left.text() == right.text();
    }
    Deeper level(rendering);
    if (!level.is_allowed()) return false;
    switch (left.kind()) {
        case Kind::undefined:
        case Kind::none:
            return true;
        case Kind::list:
        case Kind::tuple:
            return equal_items(rendering, left.items(), right.items());
        case Kind::dict:
            return equal_dicts(rendering, left.dict(), right.dict());
        case Kind::range: {
            const Range &a = left.range(), &b = right.range();
            return a.size == b.size && (a.size == 0 || (a.start == b.start && (a.size == 1 || a.step == b.step)));
        }
        case Kind::method: {
            auto *a = left.object<BoundMethod>(), *b = right.object<BoundMethod>();
            return a->native == b->native && a->self.is_same_as(b->self);
        }
        default:
            return left.is_same_as(right);
    }
}

bool less(Rendering& rendering, const Value& left, const Value& right) {
    return order(rendering, Comparison::less, left, right);
}

bool compare(Rendering& rendering, Comparison op, const Value& left, const Value& right) {
    switch (op) {
        case Comparison::equal:
            return equals(rendering, left, right);
        case Comparison::not_equal:
            return !equals(rendering, left, right);
        case Comparison::in:
            return contains(rendering, right, left);
        case Comparison::not_in:
            return !contains(rendering, right, left);
        default:
            return order(rendering, op, left, right);
    }
}

bool contains(Rendering& rendering, const Value& container, const Value& element) {
    if (container.is(Kind::string)) {
        if (!element.is(Kind::string)) {
            rendering.fail(ErrorClass::type, "'in <string>' requires string as left operand, not {}",
                           type_name(element));
            return false;
        }
        return rendering.spend_on_text(container.text().size()) &&
               container.text().find(element.text()) != std::string_view::npos;
    }
    bool has_keys = container.is(Kind::dict) ||
                    (container.is(Kind::view) && container.object<DictView>()->part == DictView::Part::keys);
    if (has_keys) {
        const Dict& dict = container.is(Kind::dict) ? container.dict() : *container.object<DictView>()->dict;
        return find_key(rendering, dict, element) != nullptr;
    }
    Cursor cursor;
    Value candidate;
    bool is_iterable = container.is(Kind::undefined) || length(container) || container.is(Kind::iterator);
    if (!is_iterable) {
        rendering.fail(ErrorClass::type, "argument of type '{}' is not iterable", type_name(container));
        return false;
    }
    if (!start(rendering, container, cursor)) return false;
    while (cursor.next(rendering, candidate))
        if (equals(rendering, candidate, element)) return true;
    return false;
}

bool hash(Rendering& rendering, const Value& value, uint64_t& out) {
    if (!rendering.spend()) return false;
    switch (value.kind()) {
        case Kind::string:
            out = hash_text(value.text());
            return rendering.spend_on_text(value.text().size());
        case Kind::boolean:
        case Kind::integer: {
            auto number = static_cast<uint64_t>(value.integer());
            out = (number ^ (number >> 29)) * 0x9E3779B97F4A7C15u;
            return true;
        }
        case Kind::real: {
            double number = value.real();
            bool is_whole = std::abs(number) < 0x1p62 && number == std::floor(number);
            if (is_whole) return hash(rendering, Value::integer(static_cast<Integer>(number)), out);
            out = std::hash<double>()(number);
            return true;
        }
        case Kind::tuple: {
            Deeper level(rendering);
            if (!level.is_allowed()) return false;
            uint64_t combined = 0x345678;
            for (const Value& item : value.items()) {
                uint64_t one = 0;
                if (!hash(rendering, item, one)) return false;
                combined = (combined ^ one) * 0x100000001B3u;
            }
            out = combined;
            return true;
        }
        case Kind::list:
        case Kind::dict:
        case Kind::view:
            rendering.fail(ErrorClass::type, "unhashable type: '{}'", type_name(value));
            return false;
        default:
            out = static_cast<uint64_t>(value.kind());
            return true;
    }
}

const Value* find_key(Rendering& rendering, const Dict& dict, const Value& key) {
    uint64_t key_hash = 0;
    if (!hash(rendering, key, key_hash)) return nullptr;
    if (dict.index.empty()) {
        for (const Entry& entry : dict.entries)
            if (equals(rendering, entry.key, key)) return &entry.value;
        return nullptr;
    }
    size_t mask = dict.index.size() - 1;
    for (size_t slot = key_hash & mask; dict.index[slot] != 0 && rendering.spend(); slot = (slot + 1) & mask) {
        const Entry& entry = dict.entries.data()[dict.index[slot] - 1];
        if (equals(rendering, entry.key, key)) return &entry.value;
    }
    return nullptr;
}

}  // namespace hone::text::chat

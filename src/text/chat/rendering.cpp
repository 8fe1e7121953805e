#include "text/chat/rendering.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "text/chat/operators.h"
#include "text/chat/python_text.h"

namespace hone::text::chat {

Value Rendering::fail_with(ErrorClass error_class, std::string message) {
    if (!failed()) failure_ = Failure{error_class, std::move(message), line};
    return nothing();
}

bool Rendering::fail_steps() {
    fail(ErrorClass::budget, "the template runs for more than {} steps", limits_.steps);
    return false;
}

bool Rendering::fail_size(std::string_view what, size_t limit) {
    fail(ErrorClass::budget, "the template makes more than {} bytes of {}", limit, what);
    return false;
}

namespace {

// "dict object", as Jinja names the owner of a missing attribute.
std::string owner_name(const Value& object) {
    if (object.is(Kind::none)) return "None";
    if (object.is_markup()) return "markupsafe.Markup object";
    return fmt::format("{} object", type_name(object));
}

std::string undefined_message(Rendering& rendering, const Undefined& reason) {
    if (!reason.hint.empty()) return std::string(reason.hint);
    if (reason.object.is(Kind::missing)) return fmt::format("{} is undefined", python_quoted(reason.name.text()));
    if (reason.name.is(Kind::string))
        return fmt::format("{} has no attribute {}", python_quoted(owner_name(reason.object)),
                           python_quoted(reason.name.text()));
    return fmt::format("{} has no element {}", owner_name(reason.object), to_repr(rendering, reason.name));
}

}  // namespace

Value Rendering::fail_undefined(const Value& value) {
    if (failed()) return nothing();
    const Undefined& reason = value.undefined();
    return fail_with(reason.is_unsafe ? ErrorClass::security : ErrorClass::undefined, undefined_message(*this, reason));
}

Value Rendering::text(std::string_view text, bool is_markup) {
    if (!admit_text(text.size())) return nothing();
    return Value::string(heap().copy(text), is_markup);
}

Value Rendering::list(const std::vector<Value>& items) {
    if (!admit_values(items.size())) return nothing();
    return Value::list(heap().copy(items));
}

Value Rendering::tuple(const std::vector<Value>& items) {
    if (!admit_values(items.size())) return nothing();
    return Value::tuple(heap().copy(items));
}

Value Rendering::undefined_hint(std::string_view hint) {
    return Value::undefined(heap().make<Undefined>(Undefined{.hint = heap_.copy(hint)}));
}

Value Rendering::undefined_attribute(const Value& object, const Value& name) {
    return Value::undefined(heap().make<Undefined>(Undefined{.hint = {}, .object = object, .name = name}));
}

Value Rendering::unsafe_attribute(const Value& object, std::string_view name) {
    std::string hint = fmt::format("access to attribute {} of {} object is unsafe.", python_quoted(name),
                                   python_quoted(type_name(object)));
    return Value::undefined(heap().make<Undefined>(Undefined{.hint = heap_.copy(hint), .is_unsafe = true}));
}

Value Rendering::iterator(bool (*advance)(Rendering&, Iterator&, Value&), const Value& source,
                          std::string_view type_name, const void* plan) {
    auto* iterator = heap().make<Iterator>(Iterator{advance, Cursor{source}, type_name, plan});
    return Value::object(Kind::iterator, iterator);
}

Value Rendering::dict(const std::vector<Entry>& entries, bool has_unique_texts_as_keys) {
    constexpr size_t kLargestWithoutIndex = 8;
    if (!admit_values(2 * entries.size())) return nothing();
    std::span<Entry> kept = heap().array<Entry>(entries.size());
    bool has_index = entries.size() > kLargestWithoutIndex;
    std::span<uint32_t> index = heap_.array<uint32_t>(has_index ? std::bit_ceil(2 * entries.size()) : 0);
    size_t size = 0;
    auto* dict = heap_.make<Dict>(Dict{{}, index});
    for (const Entry& entry : entries) {
        dict->entries = kept.first(size);
        const Value* present = has_unique_texts_as_keys ? nullptr : find_key(*this, *dict, entry.key);
        if (failed()) return nothing();
        if (present) {
            const_cast<Value&>(*present) = entry.value;
            continue;
        }
        kept[size++] = entry;
        if (!has_index) continue;
        uint64_t key_hash = 0;
        if (!hash(*this, entry.key, key_hash)) return nothing();
        size_t slot = key_hash & (index.size() - 1);
        for (; index[slot] != 0; slot = (slot + 1) & (index.size() - 1)) spend();
        index[slot] = static_cast<uint32_t>(size);
    }
    dict->entries = kept.first(size);
    return Value::dict(dict);
}

Value Rendering::concatenate(std::string_view left, std::string_view right, bool is_markup) {
    if (right.empty()) return Value::string(left, is_markup);
    if (left.empty()) return Value::string(right, is_markup);
    size_t size = left.size() + right.size();
    if (size > limits_.text_bytes) {
        fail_size("text", limits_.text_bytes);
        return nothing();
    }
    for (OpenText& open : open_texts_) {
        if (open.end != left.data() + left.size() || open.free_bytes < right.size()) continue;
        if (!spend_on_text(right.size())) return nothing();
        std::memcpy(open.end, right.data(), right.size());
        open.end += right.size();
        open.free_bytes -= right.size();
        return Value::string({left.data(), size}, is_markup);
    }
    if (!spend_on_text(size)) return nothing();
    size_t capacity = size < kSmallestOpenText ? size : 2 * size;
    auto* bytes = static_cast<char*>(heap().take(capacity, 1));
    std::memcpy(bytes, left.data(), left.size());
    std::memcpy(bytes + left.size(), right.data(), right.size());
    if (capacity > size) {
        open_texts_[oldest_open_text_] = {bytes + size, capacity - size};
        oldest_open_text_ = (oldest_open_text_ + 1) % kOpenTexts;
    }
    return Value::string({bytes, size}, is_markup);
}

}  // namespace hone::text::chat

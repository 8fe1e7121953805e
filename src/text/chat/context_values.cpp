#include "text/chat/context_values.h"

#include <boost/json.hpp>

#include "text/chat/unicode_text.h"

namespace hone::text::chat {

namespace {

Value from_text(Rendering& rendering, std::string_view text) {
    if (!is_valid_utf8(text)) return rendering.fail(ErrorClass::value, "the context holds text that is not UTF-8");
    return Value::string(text);
}

Value from_array(Rendering& rendering, const boost::json::array& array) {
    if (!rendering.admit_values(array.size())) return rendering.nothing();
    std::span<Value> items = rendering.heap().array<Value>(array.size());
    for (size_t i = 0; i < items.size() && !rendering.failed(); ++i) items[i] = from_json(rendering, array[i]);
    return Value::list(items);
}

Value from_object(Rendering& rendering, const boost::json::object& object) {
    std::vector<Entry> entries;
    entries.reserve(object.size());
    for (const auto& member : object) {
        std::string_view key = member.key();
        entries.push_back({from_text(rendering, key), from_json(rendering, member.value())});
        if (rendering.failed()) return rendering.nothing();
    }
    return rendering.dict(entries, true);
}

}  // namespace

Value from_json(Rendering& rendering, const boost::json::value& json) {
    Deeper level(rendering);
    if (!level.is_allowed()) return rendering.nothing();
    switch (json.kind()) {
        case boost::json::kind::null:
            return Value::none();
        case boost::json::kind::bool_:
            return Value::boolean(json.get_bool());
        case boost::json::kind::int64:
            return Value::integer(json.get_int64());
        case boost::json::kind::uint64:
            return Value::integer(json.get_uint64());
        case boost::json::kind::double_:
            return Value::real(json.get_double());
        case boost::json::kind::string:
            return from_text(rendering, json.get_string());
        case boost::json::kind::array:
            return from_array(rendering, json.get_array());
        case boost::json::kind::object:
            return from_object(rendering, json.get_object());
    }
    return Value::none();
}

}  // namespace hone::text::chat

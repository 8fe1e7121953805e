#include "text/chat/filters.h"

#include <unordered_map>

namespace hone::text::chat {

const Native* find_filter(std::string_view name) {
    static const auto table = [] {
        std::unordered_map<std::string_view, const Native*> filters;
        for (std::span<const Native> group :
             {text_filters(), markup_filters(), number_filters(), sequence_filters(), order_filters(), lazy_filters()})
            for (const Native& filter : group) filters[filter.name] = &filter;
        return filters;
    }();
    auto entry = table.find(name);
    return entry == table.end() ? nullptr : entry->second;
}

}  // namespace hone::text::chat

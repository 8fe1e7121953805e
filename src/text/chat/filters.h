// The filters and tests of the reference environment, by name: Jinja's own (without random, urlize and wordwrap) and
// the tojson of transformers. A filter's self is what stands before the bar. Constant tables; any thread.
#pragma once

#include <span>
#include <string_view>

#include "text/chat/value.h"

namespace hone::text::chat {

// Null if there is none of this name.
const Native* find_filter(std::string_view name);
const Native* find_test(std::string_view name);

// The filters, by the files that implement them.
std::span<const Native> text_filters();
std::span<const Native> markup_filters();
std::span<const Native> number_filters();
std::span<const Native> sequence_filters();
std::span<const Native> order_filters();
std::span<const Native> lazy_filters();

}  // namespace hone::text::chat

// HTML escaping, as the filters escape, striptags and urlencode and autoescape blocks need it.
#pragma once

#include <string>
#include <string_view>

#include "text/chat/rendering.h"

namespace hone::text::chat {

// & < > ' " replaced.
std::string escape_html(std::string_view text);
// str(value), escaped unless it is markup already.
std::string_view escaped(Rendering& rendering, const Value& value);
// &amp; &#34; &#x22; and the common named entities read back.
std::string unescape_html(std::string_view text);
// Without comments and tags, blanks collapsed, entities read back.
std::string strip_tags(std::string_view text);
// Percent-encoded UTF-8; `/` stays in paths, a blank becomes + in query strings.
std::string quote_url(std::string_view text, bool is_query);

}  // namespace hone::text::chat

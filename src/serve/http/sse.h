// Server-sent events (WHATWG HTML, section 9.2) as OpenAI clients read them: `data: JSON` and an empty line for each
// event.
#pragma once

#include <string>
#include <string_view>

namespace hone::serve {

inline constexpr std::string_view kSseContentType = "text/event-stream; charset=utf-8";
// Ends an OpenAI stream.
inline constexpr std::string_view kSseDone = "data: [DONE]\n\n";
// A comment that clients skip; sent where nothing was sent for a while, so that proxies keep the connection open.
inline constexpr std::string_view kSseKeepAlive = ": keep-alive\n\n";

// One event, of that name (one line) if it has one. Line breaks in `data` begin a new `data:` line, so that no text can end
// the event early.
std::string sse_event(std::string_view data, std::string_view name = {});

}  // namespace hone::serve

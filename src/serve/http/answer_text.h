// The bytes of an HTTP/1.1 answer (RFC 9112): head, chunk, last chunk. Pure functions; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "serve/http/message.h"

namespace hone::serve {

inline constexpr std::string_view kContinueText = "HTTP/1.1 100 Continue\r\n\r\n";
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

struct HeadStyle {
    bool keep_alive = true;
    // The body's length; without it the body is chunked, or ends with the connection where `chunked` is false
    // (HTTP/1.0).
    std::optional<size_t> content_length;
    bool chunked = true;
};

// Status line and headers with the empty line at the end. Line breaks in header values become spaces.
std::string head_text(const Response& response, const HeadStyle& style);

// What stands before and after the bytes of a chunk of chunked transfer coding. Not for no bytes: an empty chunk would
// end the body.
std::string chunk_head(size_t bytes);
inline constexpr std::string_view kChunkEnd = "\r\n";

}  // namespace hone::serve

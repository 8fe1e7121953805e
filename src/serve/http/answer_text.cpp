#include "serve/http/answer_text.h"

#include <boost/beast/http/status.hpp>

namespace hone::serve {

namespace {

void append_header(std::string& out, std::string_view name, std::string_view value) {
    out += name;
    out += ": ";
    for (const char c : value) out += c == '\r' || c == '\n' ? ' ' : c;
    out += "\r\n";
}

}  // namespace

std::string head_text(const Response& response, const HeadStyle& style) {
    namespace http = boost::beast::http;
    const std::string_view reason = http::obsolete_reason(http::int_to_status(static_cast<unsigned>(response.status)));
    std::string out = fmt::format("HTTP/1.1 {} {}\r\n", response.status, reason);
    if (!response.content_type.empty()) append_header(out, "Content-Type", response.content_type);
    if (response.status == 204 || response.status == 304) {
        // Their end is the head's (RFC 9110, 8.6 and 15.4.5).
    } else if (style.content_length) {
        append_header(out, "Content-Length", std::to_string(*style.content_length));
    } else if (style.chunked) {
        append_header(out, "Transfer-Encoding", "chunked");
    }
    append_header(out, "Connection", style.keep_alive ? "keep-alive" : "close");
    for (const auto& [name, value] : response.headers) append_header(out, name, value);
    out += "\r\n";
    return out;
}

std::string chunk_head(size_t bytes) {
    return fmt::format("{:x}\r\n", bytes);
}

}  // namespace hone::serve

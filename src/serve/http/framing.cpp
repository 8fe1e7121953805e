#include "serve/http/framing.h"

#include "serve/http/ascii.h"
#include "serve/http/message.h"

namespace hone::serve {

namespace http = boost::beast::http;

std::optional<FramingFault> framing_fault(const RequestParser& parser, uint64_t body_limit) {
    const auto& fields = parser.get();
    if (fields.count(http::field::transfer_encoding) > 0) {
        if (fields.count(http::field::content_length) > 0 || fields.version() < 11)
            return FramingFault{400, "Transfer-Encoding needs HTTP/1.1 and excludes Content-Length"};
        const std::string_view coding = fields[http::field::transfer_encoding];
        if (fields.count(http::field::transfer_encoding) > 1 || !equal_ignoring_case(coding, "chunked"))
            return FramingFault{501, fmt::format("Transfer-Encoding '{}' is not supported; send 'chunked' or a "
                                                 "Content-Length",
                                                 quotable(coding))};
    }
    if (fields.version() >= 11 && fields.count(http::field::host) != 1)
        return FramingFault{400, "an HTTP/1.1 request needs exactly one Host header"};
    const auto expect = parser.get().find(http::field::expect);
    if (expect != parser.get().end() && !equal_ignoring_case(expect->value(), "100-continue"))
        return FramingFault{417, fmt::format("cannot meet Expect: {}", quotable(expect->value()))};
    const auto length = parser.content_length();
    if (length && *length > body_limit)
        return FramingFault{413, fmt::format("the request body of {} bytes is over this server's limit of {} bytes",
                                             *length, body_limit)};
    return std::nullopt;
}

}  // namespace hone::serve

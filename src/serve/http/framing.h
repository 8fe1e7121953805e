// Where a request ends and whom it is for must have one meaning only: a proxy in front may have read it the other way, and the
// rest would pass as a request of its own (RFC 9112, 3.2 and 6.1).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>

namespace hone::serve {

using RequestParser = boost::beast::http::request_parser<boost::beast::http::buffer_body>;

// Of the answer, after which the connection is to be closed.
struct FramingFault {
    int status;
    std::string message;
};

// Of a request whose head was read, with a body of at most `body_limit` bytes; none: it may be read on.
std::optional<FramingFault> framing_fault(const RequestParser& parser, uint64_t body_limit);

}  // namespace hone::serve

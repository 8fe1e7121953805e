// Where a server listens, from the URL that users give. A value; free functions, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hone::cli {

struct ServerAddress {
    std::string host;  // a name or an address, without brackets
    uint16_t port = 80;

    // "host:port", IPv6 in brackets (RFC 3986, section 3.2.2): what the Host header says.
    std::string authority() const;
    std::string url() const { return "http://" + authority(); }
};

// "http://HOST[:PORT]", behind it at most "/" or "/v1", which clients of the API have in their base URL. The error says
// what is wrong; there is no TLS here.
Result<ServerAddress> parse_server_url(std::string_view url);

}  // namespace hone::cli

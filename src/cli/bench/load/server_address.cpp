#include "cli/bench/load/server_address.h"

#include <charconv>

namespace hone::cli {

std::string ServerAddress::authority() const {
    return host.find(':') != std::string::npos ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

Result<ServerAddress> parse_server_url(std::string_view url) {
    constexpr std::string_view kScheme = "http://";
    const auto wrong = [&](std::string_view why) { return error("--url {}: {}; write http://HOST:PORT", url, why); };
    if (url.starts_with("https://"))
        return error("--url {}: https is not spoken here; measure the server behind its TLS proxy, as http://HOST:PORT",
                     url);
    if (!url.starts_with(kScheme)) return wrong("does not begin with http://");
    std::string_view rest = url.substr(kScheme.size());
    const size_t slash = rest.find('/');
    const std::string_view path = slash == std::string_view::npos ? "" : rest.substr(slash);
    if (path != "" && path != "/" && path != "/v1" && path != "/v1/") return wrong("has a path other than /v1");
    rest = rest.substr(0, slash);
    ServerAddress address;
    std::string_view port;
    if (rest.starts_with('[')) {
        const size_t end = rest.find(']');
        if (end == std::string_view::npos) return wrong("has a bracket without its other");
        address.host = rest.substr(1, end - 1);
        port = rest.substr(end + 1);
    } else {
        const size_t colon = rest.find(':');
        address.host = rest.substr(0, colon);
        port = colon == std::string_view::npos ? "" : rest.substr(colon);
    }
    if (address.host.empty()) return wrong("names no host");
    if (address.host.find_first_of("@?# ") != std::string::npos) return wrong("has more than a host and a port");
    if (port.empty()) return address;
    const auto [end, failure] = std::from_chars(port.data() + 1, port.data() + port.size(), address.port);
    if (port[0] != ':' || failure != std::errc() || end != port.data() + port.size() || address.port == 0)
        return wrong("has no port from 1 to 65535");
    return address;
}

}  // namespace hone::cli

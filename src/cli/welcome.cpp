#include "cli/welcome.h"

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "cli/shell_quoted.h"

namespace hone::cli {

namespace {

// An IPv6 address goes in brackets (RFC 3986, section 3.2.2).
std::string url_of(const std::string& host, uint16_t port) {
    const bool is_ipv6 = host.find(':') != std::string::npos;
    return fmt::format("http://{}:{}", is_ipv6 ? fmt::format("[{}]", host) : host, port);
}

// Of an address that stands for all of the machine, one that a client on it can connect to.
std::string reachable(const std::string& host) {
    if (host == "0.0.0.0") return "127.0.0.1";
    return host == "::" ? "::1" : host;
}

// As JSON and Python have it.
std::string literal(const std::string& text) {
    return boost::json::serialize(boost::json::value(text));
}

std::string curl_example(const Welcome& server, const std::string& url) {
    const char* const route = server.reads_text ? "chat/completions" : "completions";
    const char* const prompt =
        server.reads_text ? R"("messages": [{"role": "user", "content": "Hello"}])" : R"("prompt": [1, 2, 3])";
    const std::string body = fmt::format(R"({{"model": {}, {}, "max_tokens": 32}})", literal(server.model), prompt);
    return fmt::format("  curl {}/v1/{} -H 'Content-Type: application/json' {}\\\n    -d {}\n", url, route,
                       server.wants_key ? "-H \"Authorization: Bearer $KEY\" " : "", shell_quoted(body));
}

// Lines may break and be indented within the parentheses of print alone.
std::string python_example(const Welcome& server, const std::string& url) {
    const char* const call = server.reads_text ? "chat.completions" : "completions";
    const char* const prompt =
        server.reads_text ? R"(messages=[{"role": "user", "content": "Hello"}])" : "prompt=[1, 2, 3]";
    const std::string code = fmt::format(
        "import os, openai; print(openai.OpenAI(base_url=\"{}/v1\", api_key={})\n"
        "    .{}.create(model={}, {}, max_tokens=32)\n"
        "    .choices[0].{})",
        url, server.wants_key ? "os.environ[\"KEY\"]" : "\"none\"", call, literal(server.model), prompt,
        server.reads_text ? "message.content" : "text");
    return fmt::format("  python3 -c {}\n", shell_quoted(code));
}

}  // namespace

std::string welcome_text(const Welcome& server) {
    const std::string url = url_of(reachable(server.host), server.port);
    std::string text = fmt::format("listening on {}\n\n", url_of(server.host, server.port));
    text += server.wants_key ? "Try it, after export KEY=... with a key of this server:\n\n" : "Try it:\n\n";
    text += curl_example(server, url);
    text += "\n" + python_example(server, url);
    text += "    (the package is openai: pip install openai)\n\n";
    if (server.shows_page) text += fmt::format("  {}/    a page to chat and look on with, for a browser\n\n", url);
    return text + fmt::format("{}/metrics has figures for dashboards. Ctrl-C stops the server.\n\n", url);
}

}  // namespace hone::cli

// An HTTP request as handlers see it and an answer as they give it: plain values, no socket, no Boost. Header names
// compare without case. Text in them comes from outside and need not be UTF-8.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hone::serve {

using HeaderList = std::vector<std::pair<std::string, std::string>>;

struct Request {
    std::string method;  // "GET"
    std::string path;    // percent-decoded, without the query
    std::string query;   // as sent, without '?'
    HeaderList headers;
    std::string body;
    // Counts the body against the limit of all bodies; goes when the handler is done with what it made of the body.
    std::shared_ptr<void> reservation = {};

    // The first header of that name; empty if there is none.
    std::string_view header(std::string_view name) const;
};

struct Response {
    int status = 200;
    std::string content_type = "application/json";
    std::string body = {};
    HeaderList headers = {};  // beside Content-Type, Content-Length and Connection
};

// The path of a request target ("/v1/models/a%20b?x=1" gives "/v1/models/a b") and its query; false for a target that
// is neither an absolute path nor an http(s) URL with one ("http://host/v1/models"), has a broken percent escape, or escapes a control character.
bool split_target(std::string_view target, std::string& path, std::string& query);

// `text` as valid UTF-8, cut to about `limit` bytes, to quote input in answers and logs.
std::string quotable(std::string_view text, size_t limit = 200);

}  // namespace hone::serve

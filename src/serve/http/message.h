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

// What a connection knows of one request and its answer; it alone writes these fields. Handlers may give it a derived
// type with room for what they know, and may keep it: whoever lets go of it last has the whole.
struct Transfer {
    virtual ~Transfer() = default;

    std::string id;                 // the client's X-Request-Id if it is fit to be repeated, else drawn
    std::string method, path;       // empty where they could not be read
    double arrived = 0, ended = 0;  // monotonic seconds: the head was read, the answer was sent or given up
    int status = 0;                 // of the answer; 0: none was begun
    std::string error;              // code of the error that was answered; empty: none
    size_t bytes_in = 0;            // of the body
    size_t bytes_out = 0;           // with heads
};

struct Request {
    std::string method;  // "GET"
    std::string path;    // percent-decoded, without the query
    std::string query;   // as sent, without '?'
    HeaderList headers;
    std::string body;
    // Counts the body against the limit of all bodies; goes when the handler is done with what it made of the body.
    std::shared_ptr<void> reservation = {};
    std::shared_ptr<Transfer> transfer = {};

    // The first header of that name; empty if there is none.
    std::string_view header(std::string_view name) const;
};

struct Response {
    int status = 200;
    std::string content_type = "application/json";
    std::string body = {};
    HeaderList headers = {};  // beside Content-Type, Content-Length and Connection
    std::string error = {};   // its code, for the log; empty: the answer is none
};

// The client's X-Request-Id where it has 1 to 128 letters, digits and signs of "-_.:/+=@", else a drawn one.
std::string request_id_of(const Request& head);

// The path of a request target ("/v1/models/a%20b?x=1" gives "/v1/models/a b") and its query; false for a target that
// is neither an absolute path nor an http(s) URL with one ("http://host/v1/models"), has a broken percent escape, or escapes a control character.
bool split_target(std::string_view target, std::string& path, std::string& query);

// `text` as valid UTF-8, cut to about `limit` bytes, to quote input in answers and logs.
std::string quotable(std::string_view text, size_t limit = 200);

}  // namespace hone::serve

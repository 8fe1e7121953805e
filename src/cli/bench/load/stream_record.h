// What is seen from outside of one request to a server: when it was sent, when each piece of its output arrived, how it
// ended. A value, filled by the client that carries the request (load_client.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hone::cli {

// Times are of monotonic_seconds(). A piece is an event of the stream that carries output: a token, unless the server
// sends several at once.
struct StreamRecord {
    double sent = 0;               // before the connection is made
    double ended = 0;              // the end of the answer, or the failure
    std::vector<double> arrivals;  // of pieces
    int64_t tokens = 0;            // of the output so far: those whose ids are told, a token a piece otherwise
    std::vector<int32_t> token_ids;
    std::vector<double> logprobs;  // of the tokens, where they were asked for
    int64_t prompt_tokens = -1;    // from here on what the server's usage says; -1: nothing
    int64_t completion_tokens = -1;
    int64_t cached_tokens = -1;
    int status = 0;  // of HTTP; 0: there was none
    std::string content_type;
    std::string answer;          // of anything but a stream
    std::string error;           // why it failed, in words; empty if it did not
    bool has_end = false;        // the stream said [DONE]
    bool is_done = false;        // nothing more will come
    bool was_abandoned = false;  // by us: neither a success nor a failure

    bool succeeded() const { return is_done && !was_abandoned && error.empty(); }
    // The server's count of output tokens where it tells.
    int64_t output_tokens() const { return completion_tokens >= 0 ? completion_tokens : tokens; }
    double first_token_seconds() const { return arrivals.empty() ? 0 : arrivals.front() - sent; }
    double seconds() const { return ended - sent; }
    std::vector<double> gaps() const;  // seconds between pieces
};

// Reads the data of one event that arrived at `now`: a chunk of /v1/completions or /v1/chat/completions, [DONE], or an
// error, which is noted in the record.
void take_event(StreamRecord& record, std::string_view data, double now);

// What an answer with an error status says: its message, as OpenAI's API and others send it, or its beginning.
std::string error_message(std::string_view answer);

}  // namespace hone::cli

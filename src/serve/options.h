// What a server's owner may set about requests, apart from the listener's limits (http/listener.h). Plain values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace hone::serve {

struct ServerOptions {
    std::vector<std::string> api_keys;      // none: open to all who reach the port
    std::vector<std::string> cors_origins;  // web pages that may use the API from a browser; "*": all
    std::string version = "0";
    std::string request_log;             // file of JSON lines, "-" for stderr; empty: none
    std::string tool_parser = "auto";    // how reasoning and tool calls are read: a dialect's name, "auto" or "none"
    int intake_threads = 2;              // templates and tokenising
    int output_threads = 3;              // several, so that one huge answer does not hold up the streams of others
    int32_t max_streams = 64;            // sequences that the engine runs at once
    int32_t max_waiting = 1024;          // that wait beside them; requests beyond get 429
    int32_t key_streams = 0;             // of one API key, running or waiting; 0: no limit
    int32_t key_waiting = 0;             // of one API key, before their first token; 0: no limit
    bool page = true;                    // at /, for people
    bool allow_adapter_updates = false;  // over HTTP: /v1/load_lora_adapter and /v1/unload_lora_adapter
    double max_queue_seconds = 0;        // a request that no step has begun by then gets 429; 0: no limit
};

}  // namespace hone::serve

// Sends a plan to a server, open-loop: each request goes out when it is due, however the server does. One thread, the
// client's.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "base/function_ref.h"
#include "cli/bench/load/load_client.h"
#include "cli/bench/load/load_plan.h"

namespace hone::cli {

// How requests are worded.
struct RequestFormat {
    std::string model;
    bool chat = false;  // /v1/chat/completions with text, not /v1/completions with token ids
    double temperature = 1;
    boost::json::object extra;  // fields over ours; null takes one away

    std::string_view path() const { return chat ? "/v1/chat/completions" : "/v1/completions"; }
    // A body that asks for a stream of exactly so many tokens, with usage at its end.
    std::string body(const LoadPlan& plan, const PlannedRequest& request) const;
    std::string body(const std::vector<int32_t>& prompt, int64_t output_tokens) const;
};

struct LoadLimits {
    int64_t requests = 0;         // 0: no limit
    double seconds = 0;           // in which requests are sent; 0: no limit
    int64_t max_concurrency = 0;  // requests on their way; what is due beyond waits here; 0: no limit
};

struct LoadedRequest {
    PlannedRequest planned;
    StreamRecord record;
};

struct LoadRun {
    double started = 0, ended = 0;  // of monotonic_seconds(): the first arrival, the end of the last answer
    std::vector<LoadedRequest> requests;

    // How long after it was due a request was sent.
    double late_seconds(const LoadedRequest& request) const {
        return request.record.sent - started - request.planned.arrival;
    }
};

// Returns when all answers have ended. At least one of requests and seconds is limited. `on_progress` is called with the
// number of requests sent: after each, and whenever it was not called for so many seconds.
LoadRun run_load(LoadClient& client, LoadPlan& plan, const RequestFormat& format, const LoadLimits& limits,
                 FunctionRef<void(int64_t sent)> on_progress, double progress_seconds = 20);

}  // namespace hone::cli

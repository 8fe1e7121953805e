// Counters and histograms of serving, in Prometheus' text format. Any thread may record or render; rendering reads the
// engine's snapshot and never waits for a step. Names begin with hone_ and follow vLLM's.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "engine/engine.h"

namespace hone::serve {

class Metrics {
  public:
    // Every series carries model_name=`model`.
    explicit Metrics(const std::string& model);
    ~Metrics();

    void http_response(std::string_view route, int status);
    // Seconds from the request's arrival to its first token; between tokens; from arrival to the end.
    void first_token(double seconds);
    void next_token(double seconds);
    // `reason`: stop, length, abort or error.
    void finished(std::string_view reason, double seconds);
    void sizes(size_t prompt_tokens, int32_t max_tokens);

    std::string render(const engine::EngineMetrics& engine) const;
    static constexpr const char* kContentType = "text/plain; version=0.0.4; charset=utf-8";

  private:
    struct Series;
    std::unique_ptr<Series> series_;
    std::string model_;
};

}  // namespace hone::serve

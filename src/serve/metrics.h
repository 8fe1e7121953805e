// Counters and histograms of serving, in Prometheus' text format. Any thread may record or render; rendering reads the
// engine's snapshot and never waits for a step. What vLLM counts too has vLLM's name, labels and buckets (vllm:...), so
// that its dashboards and the routers that read it work unchanged; the rest begins with hone_.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "serve/adapters.h"
#include "serve/request_record.h"
#include "serve/training_status.h"

namespace hone::serve {

class Metrics {
  public:
    // Series carry model_name=`model` and engine="0".
    explicit Metrics(const std::string& model);
    ~Metrics();

    void http_response(std::string_view route, int status);
    // A request was refused for want of room: `reason` is its error's code.
    void refused(std::string_view reason);
    // A request goes to the engine, as this many sequences.
    void submitted(int32_t choices, size_t sequences, int32_t max_tokens);
    // Seconds from the request's arrival to its first token; between tokens.
    void first_token(double seconds);
    void next_token(double seconds);
    // A sequence ended; `reason`: stop, length, abort or error. `now` is monotonic seconds, as its times are.
    void ended(std::string_view reason, const SequenceTimes& times, double now, size_t prompt_tokens,
               int64_t generated_tokens);

    std::string render(const engine::EngineMetrics& engine, const std::vector<AdapterPtr>& adapters,
                       const std::optional<TrainingStatus>& training = {}) const;
    static constexpr const char* kContentType = "text/plain; version=0.0.4; charset=utf-8";

  private:
    struct Series;
    std::unique_ptr<Series> series_;
};

}  // namespace hone::serve

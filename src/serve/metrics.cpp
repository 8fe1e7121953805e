#include "serve/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace hone::serve {

namespace {

using prometheus::BuildCounter;
using prometheus::BuildHistogram;
using Buckets = prometheus::Histogram::BucketBoundaries;

// vLLM's, so that its dashboards read ours.
const Buckets kFirstToken{0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75,
                          1,     2.5,   5,    7.5,  10,   20,   40,   80,  160,  640, 2560};
const Buckets kNextToken{0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80};
const Buckets kWhole{0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680};
const Buckets kTokenCounts{1,    2,    5,    10,    20,    50,    100,    200,    500,
                           1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000, 500000};

prometheus::MetricFamily single(const char* name, const char* help, prometheus::MetricType type,
                                const std::string& model, double value) {
    prometheus::ClientMetric metric;
    metric.label.push_back({"model_name", model});
    (type == prometheus::MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
    return {name, help, type, {metric}};
}

// What the engine counts itself.
std::vector<prometheus::MetricFamily> engine_families(const engine::EngineMetrics& engine, const std::string& model) {
    std::vector<prometheus::MetricFamily> out;
    const auto counter = [&](const char* name, const char* help, double value) {
        out.push_back(single(name, help, prometheus::MetricType::Counter, model, value));
    };
    const auto gauge = [&](const char* name, const char* help, double value) {
        out.push_back(single(name, help, prometheus::MetricType::Gauge, model, value));
    };
    const auto number = [](auto value) { return static_cast<double>(value); };
    gauge("hone_num_requests_running", "Sequences in the running batch", engine.running);
    gauge("hone_num_requests_waiting", "Sequences waiting to be scheduled", engine.waiting);
    gauge("hone_kv_pages_total", "Pages of the KV cache", engine.pages_total);
    gauge("hone_kv_pages_in_use", "Pages held by requests", engine.pages_in_use);
    gauge("hone_kv_pages_cached", "Pages kept for prefix hits only", engine.pages_cached);
    gauge("hone_kv_cache_usage_perc", "Share of the pages held by requests, 1 is full",
          engine.pages_total > 0 ? number(engine.pages_in_use) / engine.pages_total : 0);
    counter("hone_requests_submitted_total", "Sequences given to the engine", number(engine.requests_submitted));
    counter("hone_requests_finished_total", "Sequences that came to their end", number(engine.requests_finished));
    counter("hone_requests_cancelled_total", "Sequences that were cancelled", number(engine.requests_cancelled));
    counter("hone_prompt_tokens_total", "Prompt tokens of scheduled sequences", number(engine.prompt_tokens));
    counter("hone_cached_tokens_total", "Prompt tokens found in the prefix cache", number(engine.cached_tokens));
    counter("vllm:prefix_cache_queries_total", "Prompt tokens looked for in the prefix cache",
            number(engine.queried_tokens));
    counter("vllm:prefix_cache_hits_total", "Prompt tokens found in the prefix cache", number(engine.cached_tokens));
    counter("hone_prefix_cache_evicted_pages_total", "Pages dropped from the prefix cache to make room",
            number(engine.evicted_pages));
    gauge("hone_kv_spill_pages", "Evicted pages that are kept on disk", number(engine.spill.pages));
    counter("hone_kv_spill_written_pages_total", "Pages written to disk", number(engine.spill.written_pages));
    counter("hone_kv_spill_written_bytes_total", "Bytes written to disk", number(engine.spill.written_bytes));
    counter("hone_kv_spill_read_pages_total", "Pages read back from disk", number(engine.spill.read_pages));
    counter("hone_kv_spill_read_bytes_total", "Bytes read back from disk", number(engine.spill.read_bytes));
    counter("hone_kv_spill_skipped_pages_total", "Evicted pages that the disk could not take",
            number(engine.spill.skipped_pages));
    counter("hone_kv_spill_failures_total", "Reads and writes that failed, and pages that were damaged",
            number(engine.spill.failures));
    counter("hone_generation_tokens_total", "Tokens generated", number(engine.generated_tokens));
    counter("hone_num_preemptions_total", "Sequences whose pages were taken and recomputed",
            number(engine.preemptions));
    counter("hone_engine_steps_total", "Steps of the engine", number(engine.steps));
    counter("hone_engine_busy_seconds_total", "Time spent in steps", engine.busy_seconds);
    return out;
}

}  // namespace

struct Metrics::Series {
    prometheus::Registry registry;
    prometheus::Labels labels;
    prometheus::Family<prometheus::Counter>& responses;
    prometheus::Family<prometheus::Counter>& outcomes;
    prometheus::Histogram &first_token, &next_token, &whole, &prompt_tokens, &max_tokens;

    explicit Series(const std::string& model)
        : labels{{"model_name", model}},
          responses(
              BuildCounter().Name("hone_http_responses_total").Help("Answers by route and status").Register(registry)),
          outcomes(BuildCounter()
                       .Name("hone_request_success_total")
                       .Help("Sequences by the reason of their end: stop, length, abort, error")
                       .Register(registry)),
          first_token(histogram("hone_time_to_first_token_seconds", "From a request's arrival to its first token",
                                kFirstToken)),
          next_token(histogram("hone_inter_token_latency_seconds", "Between tokens of a sequence", kNextToken)),
          whole(histogram("hone_e2e_request_latency_seconds", "From a request's arrival to its end", kWhole)),
          prompt_tokens(histogram("hone_request_prompt_tokens", "Prompt tokens of a sequence", kTokenCounts)),
          max_tokens(
              histogram("hone_request_params_max_tokens", "Most tokens that a sequence may generate", kTokenCounts)) {
        for (const char* reason : {"stop", "length", "abort", "error"}) outcome(reason);  // shown from the start, as 0
    }

    prometheus::Histogram& histogram(const char* name, const char* help, const Buckets& buckets) {
        return BuildHistogram().Name(name).Help(help).Register(registry).Add(labels, buckets);
    }
    prometheus::Counter& outcome(std::string_view reason) {
        prometheus::Labels with_reason = labels;
        with_reason["finished_reason"] = reason;
        return outcomes.Add(with_reason);
    }
};

Metrics::Metrics(const std::string& model) : series_(std::make_unique<Series>(model)), model_(model) {}

Metrics::~Metrics() = default;

void Metrics::http_response(std::string_view route, int status) {
    series_->responses.Add({{"route", std::string(route)}, {"code", std::to_string(status)}}).Increment();
}

void Metrics::first_token(double seconds) {
    series_->first_token.Observe(seconds);
}

void Metrics::next_token(double seconds) {
    series_->next_token.Observe(seconds);
}

void Metrics::finished(std::string_view reason, double seconds) {
    series_->outcome(reason).Increment();
    series_->whole.Observe(seconds);
}

void Metrics::sizes(size_t prompt_tokens, int32_t max_tokens) {
    series_->prompt_tokens.Observe(static_cast<double>(prompt_tokens));
    series_->max_tokens.Observe(max_tokens);
}

std::string Metrics::render(const engine::EngineMetrics& engine) const {
    std::vector<prometheus::MetricFamily> families = engine_families(engine, model_);
    for (prometheus::MetricFamily& family : series_->registry.Collect()) families.push_back(std::move(family));
    return prometheus::TextSerializer().Serialize(families);
}

}  // namespace hone::serve

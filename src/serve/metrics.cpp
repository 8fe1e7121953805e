#include "serve/metrics.h"

#include <limits>

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace hone::serve {

namespace {

using prometheus::BuildCounter;
using prometheus::BuildHistogram;
using prometheus::ClientMetric;
using prometheus::MetricType;
using Buckets = prometheus::Histogram::BucketBoundaries;

// vLLM's.
const Buckets kFirstToken{0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75,
                          1,     2.5,   5,    7.5,  10,   20,   40,   80,  160,  640, 2560};
const Buckets kNextToken{0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80};
const Buckets kWhole{0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680};
const Buckets kTokenCounts{1,    2,    5,    10,    20,    50,    100,    200,    500,
                           1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000, 500000};
const Buckets kChoices{1, 2, 5, 10, 20};

// What the engine counts itself, as families of one series each.
class EngineFamilies {
  public:
    EngineFamilies(const engine::EngineMetrics& engine, const prometheus::Labels& labels) : engine_(engine) {
        for (const auto& [name, value] : labels) labels_.push_back({name, value});
    }

    std::vector<prometheus::MetricFamily> all(const std::optional<TrainingStatus>& training) {
        gauge("vllm:num_requests_running", "Sequences in the running batch", engine_.running);
        gauge("vllm:num_requests_waiting", "Sequences waiting to be scheduled", engine_.waiting);
        gauge("hone_streams_paused", "Sequences that wait until their clients have read what they got", engine_.paused);
        const double pages = engine_.pages_total;
        gauge("vllm:kv_cache_usage_perc", "Share of the cache's pages held by requests, 1 is full",
              pages > 0 ? engine_.pages_in_use / pages : 0);
        prefix_cache();
        prefill();
        counter("vllm:prompt_tokens_total", "Prompt tokens of scheduled sequences", engine_.prompt_tokens);
        counter("vllm:generation_tokens_total", "Tokens generated", engine_.generated_tokens);
        counter("vllm:num_preemptions_total", "Sequences whose pages were taken and recomputed", engine_.preemptions);
        step_sizes();
        cache_config();
        gauge("hone_kv_pages_total", "Pages of the KV cache", engine_.pages_total);
        gauge("hone_kv_pages_in_use", "Pages held by requests", engine_.pages_in_use);
        gauge("hone_kv_pages_cached", "Pages kept for prefix hits only", engine_.pages_cached);
        counter("hone_requests_submitted_total", "Sequences given to the engine", engine_.requests_submitted);
        counter("hone_requests_finished_total", "Sequences that came to their end", engine_.requests_finished);
        counter("hone_requests_cancelled_total", "Sequences that were cancelled, or waited too long",
                engine_.requests_cancelled);
        counter("hone_engine_steps_total", "Steps of the engine", engine_.steps);
        counter("hone_engine_busy_seconds_total", "Time spent in steps", engine_.busy_seconds);
        if (training) training_job(*training);
        return std::move(families_);
    }

  private:
    ClientMetric& add(const char* name, const char* help, MetricType type) {
        ClientMetric metric;
        metric.label = labels_;
        families_.push_back({name, help, type, {std::move(metric)}});
        return families_.back().metric.front();
    }
    template <class Number>
    void counter(const char* name, const char* help, Number value) {
        add(name, help, MetricType::Counter).counter.value = static_cast<double>(value);
    }
    void gauge(const char* name, const char* help, double value) {
        add(name, help, MetricType::Gauge).gauge.value = value;
    }

    void prefix_cache() {
        const engine::SpillMetrics& spill = engine_.spill;
        counter("vllm:prefix_cache_queries_total", "Prompt tokens looked for in the prefix cache",
                engine_.queried_tokens);
        counter("vllm:prefix_cache_hits_total", "Prompt tokens found in the prefix cache", engine_.cached_tokens);
        counter("hone_prefix_cache_evicted_pages_total", "Pages dropped from the prefix cache to make room",
                engine_.evicted_pages);
        gauge("hone_kv_spill_pages", "Evicted pages that are kept on disk", static_cast<double>(spill.pages));
        counter("hone_kv_spill_written_pages_total", "Pages written to disk", spill.written_pages);
        counter("hone_kv_spill_written_bytes_total", "Bytes written to disk", spill.written_bytes);
        counter("hone_kv_spill_read_pages_total", "Pages read back from disk", spill.read_pages);
        counter("hone_kv_spill_read_bytes_total", "Bytes read back from disk", spill.read_bytes);
        counter("hone_kv_spill_skipped_pages_total", "Evicted pages that the disk could not take", spill.skipped_pages);
        counter("hone_kv_spill_failures_total", "Reads and writes that failed, and pages that were damaged",
                spill.failures);
    }

    void training_job(const TrainingStatus& training) {
        gauge("hone_training_running", "1: the training job is at work; 0: it is finished, or has failed",
              training.is_running);
        gauge("hone_training_failed", "1: the training job has failed (the log says why)", training.has_failed);
        gauge("hone_training_step", "Steps of the training job that are done", static_cast<double>(training.step));
        gauge("hone_training_steps", "Steps of the training job in all", static_cast<double>(training.steps));
        counter("hone_training_tokens_total", "Tokens that its steps have trained on", training.tokens);
        gauge("hone_training_loss", "Loss of its last step", training.loss);
        counter("hone_training_seconds_total", "Time that requests have left it", engine_.guest_seconds);
    }

    void prefill() {
        const engine::PrefillMetrics& prefill = engine_.prefill;
        gauge("hone_prefill_backlog_tokens", "Tokens of prompts that are not computed yet",
              static_cast<double>(prefill.backlog_tokens));
        gauge("hone_prefill_resting_rows", "Of them, those that wait between two layers",
              static_cast<double>(prefill.resting_rows));
        counter("hone_prefill_segments_total", "Pieces of prompts that steps took on", prefill.segments);
        counter("hone_prefill_segment_tokens_total", "Tokens of those pieces", prefill.rows);
        counter("hone_prefill_segment_token_layers_total", "Tokens times layers of those pieces", prefill.row_layers);
        counter("hone_prefill_stops_total", "Pieces that ended early: the time was up, or somebody came",
                prefill.stops);
        gauge("hone_step_budget_seconds", "Time that the last step beside decoding streams had",
              prefill.budget_seconds);
        gauge("hone_step_cost_error", "Mean relative error of the cost model over the last steps", prefill.cost_error);
        step_costs();
    }

    // The cost model's coefficients, one series each.
    void step_costs() {
        const engine::StepCosts& costs = engine_.prefill.costs;
        ClientMetric metric;
        prometheus::MetricFamily family{"hone_step_cost_seconds",
                                        "Estimated time of a step's parts: a layer, and in it a row, an expert, a key "
                                        "of the context, a pair of query and key; a row of logits; the rest",
                                        MetricType::Gauge,
                                        {}};
        const auto add_cost = [&](const char* layer, const char* part, int64_t picoseconds) {
            metric.label = labels_;
            metric.label.push_back({"layer", layer});
            metric.label.push_back({"part", part});
            metric.gauge.value = static_cast<double>(picoseconds) / engine::kPicosecondsPerSecond;
            family.metric.push_back(metric);
        };
        for (const auto& [layer, cost] : {std::pair{"dense", &costs.dense}, std::pair{"routed", &costs.routed}}) {
            add_cost(layer, "fixed", cost->fixed);
            add_cost(layer, "row", cost->row);
            add_cost(layer, "expert", cost->expert);
            add_cost(layer, "context", cost->context);
            add_cost(layer, "pair", cost->pair);
        }
        add_cost("", "logits", costs.logits);
        add_cost("", "rest", costs.step);
        families_.push_back(std::move(family));
    }

    void step_sizes() {
        const engine::StepSizes& sizes = engine_.step_sizes;
        auto& histogram = add("vllm:iteration_tokens_total", "Tokens of a step", MetricType::Histogram).histogram;
        for (size_t i = 0; i < sizes.steps.size(); ++i) {
            histogram.sample_count += sizes.steps[i];
            const double bound = i < sizes.kBounds.size() ? sizes.kBounds[i] : std::numeric_limits<double>::infinity();
            histogram.bucket.push_back({histogram.sample_count, bound});
        }
        histogram.sample_sum = static_cast<double>(sizes.tokens);
    }

    void cache_config() {
        ClientMetric& metric =
            add("vllm:cache_config_info", "Shape of the KV cache: tokens a page, pages", MetricType::Gauge);
        metric.label.push_back({"block_size", std::to_string(math::kPageTokens)});
        metric.label.push_back({"num_gpu_blocks", std::to_string(engine_.pages_total)});
        metric.gauge.value = 1;
    }

    const engine::EngineMetrics& engine_;
    std::vector<ClientMetric::Label> labels_;
    std::vector<prometheus::MetricFamily> families_;
};

// Those that are published now, a series each.
void add_adapters(std::vector<prometheus::MetricFamily>& families, const std::vector<AdapterPtr>& adapters,
                  const prometheus::Labels& labels) {
    prometheus::MetricFamily versions{
        "hone_adapter_version", "Version that requests of the adapter get", MetricType::Gauge, {}};
    prometheus::MetricFamily bytes{"hone_adapter_bytes", "Memory of that version", MetricType::Gauge, {}};
    for (const AdapterPtr& adapter : adapters) {
        ClientMetric metric;
        for (const auto& [name, value] : labels) metric.label.push_back({name, value});
        metric.label.push_back({"adapter", adapter->name});
        metric.gauge.value = static_cast<double>(adapter->version);
        versions.metric.push_back(metric);
        metric.gauge.value = static_cast<double>(adapter->weights->bytes());
        bytes.metric.push_back(std::move(metric));
    }
    families.push_back(std::move(versions));
    families.push_back(std::move(bytes));
}

}  // namespace

struct Metrics::Series {
    prometheus::Registry registry;
    prometheus::Labels labels;
    prometheus::Family<prometheus::Counter>&responses, &refusals, &outcomes;
    prometheus::Histogram &first_token, &next_token, &whole, &queue, &prefill, &decode, &inference, &prompt_tokens,
        &generated_tokens, &choices, &max_tokens;

    explicit Series(const std::string& model)
        : labels{{"model_name", model}, {"engine", "0"}},
          responses(counters("hone_http_responses_total", "Answers by route and status")),
          refusals(counters("hone_requests_refused_total", "Requests refused for want of room, by their error's code")),
          outcomes(counters("vllm:request_success_total",
                            "Sequences by the reason of their end: stop, length, abort, error")),
          first_token(histogram("vllm:time_to_first_token_seconds", "From a request's arrival to its first token",
                                kFirstToken)),
          next_token(histogram("vllm:inter_token_latency_seconds", "Between tokens of a sequence", kNextToken)),
          whole(histogram("vllm:e2e_request_latency_seconds", "From a request's arrival to its end", kWhole)),
          queue(histogram("vllm:request_queue_time_seconds", "From the engine's queue to the first step", kWhole)),
          prefill(histogram("vllm:request_prefill_time_seconds", "From the first step to the first token", kWhole)),
          decode(histogram("vllm:request_decode_time_seconds", "From the first token to the last", kWhole)),
          inference(histogram("vllm:request_inference_time_seconds", "From the first step to the last token", kWhole)),
          prompt_tokens(histogram("vllm:request_prompt_tokens", "Prompt tokens of a sequence", kTokenCounts)),
          generated_tokens(histogram("vllm:request_generation_tokens", "Tokens that a sequence got", kTokenCounts)),
          choices(histogram("vllm:request_params_n", "Choices that a request wants of each prompt", kChoices)),
          max_tokens(
              histogram("vllm:request_params_max_tokens", "Most tokens that a sequence may generate", kTokenCounts)) {
        for (const char* reason : {"stop", "length", "abort", "error"}) outcome(reason);  // shown from the start, as 0
    }

    prometheus::Family<prometheus::Counter>& counters(const char* name, const char* help) {
        return BuildCounter().Name(name).Help(help).Register(registry);
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

Metrics::Metrics(const std::string& model) : series_(std::make_unique<Series>(model)) {}

Metrics::~Metrics() = default;

void Metrics::http_response(std::string_view route, int status) {
    series_->responses.Add({{"route", std::string(route)}, {"code", std::to_string(status)}}).Increment();
}

void Metrics::refused(std::string_view reason) {
    series_->refusals.Add({{"reason", std::string(reason)}}).Increment();
}

void Metrics::submitted(int32_t choices, size_t sequences, int32_t max_tokens) {
    series_->choices.Observe(choices);
    for (size_t i = 0; i < sequences; ++i) series_->max_tokens.Observe(max_tokens);
}

void Metrics::first_token(double seconds) {
    series_->first_token.Observe(seconds);
}

void Metrics::next_token(double seconds) {
    series_->next_token.Observe(seconds);
}

void Metrics::ended(std::string_view reason, const SequenceTimes& times, double now, size_t prompt_tokens,
                    int64_t generated_tokens) {
    Series& series = *series_;
    const auto observe = [](prometheus::Histogram& histogram, double from, double to) {
        if (from > 0 && to > 0) histogram.Observe(to - from);
    };
    series.outcome(reason).Increment();
    series.whole.Observe(now - times.arrived);
    observe(series.queue, times.submitted, times.scheduled);
    observe(series.prefill, times.scheduled, times.first_token);
    observe(series.decode, times.first_token, times.last_token);
    observe(series.inference, times.scheduled, times.last_token);
    series.prompt_tokens.Observe(static_cast<double>(prompt_tokens));
    series.generated_tokens.Observe(static_cast<double>(generated_tokens));
}

std::string Metrics::render(const engine::EngineMetrics& engine, const std::vector<AdapterPtr>& adapters,
                            const std::optional<TrainingStatus>& training) const {
    std::vector<prometheus::MetricFamily> families = EngineFamilies(engine, series_->labels).all(training);
    if (!adapters.empty()) add_adapters(families, adapters, series_->labels);
    for (prometheus::MetricFamily& family : series_->registry.Collect()) families.push_back(std::move(family));
    return prometheus::TextSerializer().Serialize(families);
}

}  // namespace hone::serve

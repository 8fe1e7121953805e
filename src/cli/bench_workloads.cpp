#include "cli/bench_workloads.h"

#include <algorithm>

#include "base/clock.h"

namespace hone::cli {

Result<std::unique_ptr<BenchWorkloads>> BenchWorkloads::create(const OpenModel& open, LimitMeter& meter,
                                                               int64_t pages) {
    if (pages > INT32_MAX) return error("the workloads need {} cache pages, more than can be counted", pages);
    auto cache = engine::PagePool::create(open.loaded.model->cache_spec().page_bytes, static_cast<int32_t>(pages));
    if (!cache) return cache.error();
    return std::unique_ptr<BenchWorkloads>(new BenchWorkloads(open, meter, std::move(*cache)));
}

BenchWorkloads::BenchWorkloads(const OpenModel& open, LimitMeter& meter, engine::PagePool pages)
    : model_(*open.loaded.model),
      meter_(meter),
      cost_(cost_of(*open.loaded.model, open.int4_class)),
      pages_(std::move(pages)),
      ops_{*open.pool, workspace_, *open.kernels, open.int4_class} {}

BenchWorkloads::Cost BenchWorkloads::cost_of(model::Model& model, math::NumericClass int4_class) {
    const auto& spec = model.spec();
    const double chosen = spec.experts ? static_cast<double>(spec.experts_per_token) / spec.experts : 0;
    Cost cost;
    double all_experts = 0;
    model.visit([&](const model::WeightSlot& slot) {
        if (!slot.may_quantise()) return;
        const bool is_expert = slot.role == model::WeightRole::expert;
        const bool is_i8 =
            slot.matrix->format == math::WeightFormat::int4_g32 && int4_class == math::NumericClass::i8g32;
        const bool is_head = slot.role == model::WeightRole::head;
        double& operations =
            is_head ? (is_i8 ? cost.head_i8_ops : cost.head_bf16_ops) : (is_i8 ? cost.i8_ops : cost.bf16_ops);
        operations += 2.0 * slot.n * slot.k * (is_expert ? chosen : 1);
        (is_expert ? all_experts : cost.dense_bytes) +=
            static_cast<double>(math::packed_bytes(slot.matrix->format, slot.n, slot.k));
    });
    if (spec.experts) cost.expert_bytes = all_experts / (spec.experts * std::ssize(spec.routed_layers));
    return cost;
}

BenchRow BenchWorkloads::prefill(int32_t prompt, int32_t repeats) {
    std::vector<Sample> samples;
    for (int32_t i = 0; i < repeats; i++) {
        std::vector<Stream> streams(1);
        samples.push_back(measure(streams, prompt, 1));
        release(streams);
    }
    return summary("prefill", std::to_string(prompt), samples);
}

BenchRow BenchWorkloads::decode(int32_t streams, int32_t steps, int32_t repeats) {
    std::vector<Stream> sequences(static_cast<size_t>(streams));
    extend(sequences, kDecodePrompt);
    std::vector<Sample> samples;
    for (int32_t i = 0; i < repeats; i++) samples.push_back(measure(sequences, 1, steps));
    release(sequences);
    return streams == 1 ? summary("decode", "depth" + std::to_string(kDecodePrompt), samples)
                        : summary("batch", "streams" + std::to_string(streams), samples);
}

BenchWorkloads::Sample BenchWorkloads::measure(std::vector<Stream>& streams, int32_t tokens, int32_t steps) {
    const MachineLimits before = meter_.sample();
    experts_read_ = 0;
    const double started = monotonic_seconds();
    for (int32_t step = 0; step < steps; step++) extend(streams, tokens);
    const double seconds = monotonic_seconds() - started;
    const MachineLimits after = meter_.sample();

    const double count = static_cast<double>(std::ssize(streams)) * tokens * steps;
    const auto mean = [&](double MachineLimits::*field) { return (before.*field + after.*field) / 2; };
    const double bytes = steps * cost_.dense_bytes + static_cast<double>(experts_read_) * cost_.expert_bytes;
    const double read_seconds = bytes / mean(&MachineLimits::read_bytes);
    // The head computes the last token of each stream only.
    const double logits_rows = static_cast<double>(std::ssize(streams)) * steps;
    const double i8_ops = count * cost_.i8_ops + logits_rows * cost_.head_i8_ops;
    const double bf16_ops = count * cost_.bf16_ops + logits_rows * cost_.head_bf16_ops;
    const double compute_seconds = i8_ops / mean(&MachineLimits::i8_ops) + bf16_ops / mean(&MachineLimits::bf16_ops);
    return {count / seconds, count / std::max(read_seconds, compute_seconds), read_seconds > compute_seconds};
}

void BenchWorkloads::extend(std::vector<Stream>& streams, int32_t tokens) {
    std::vector<int32_t> ids;
    for (size_t i = 0; i < streams.size() * static_cast<size_t>(tokens); i++) {
        ids.push_back(static_cast<int32_t>(random_.below(static_cast<uint64_t>(model_.spec().vocabulary))));
    }
    std::vector<engine::ExecutorSegment> segments;
    for (size_t i = 0; i < streams.size(); i++) {
        Stream& stream = streams[i];
        while (std::ssize(stream.pages) < engine::pages_for(stream.length + tokens))
            stream.pages.push_back(*pages_.take());
        segments.push_back({.ids = std::span(ids).subspan(i * static_cast<size_t>(tokens), static_cast<size_t>(tokens)),
                            .first_position = stream.length,
                            .pages = stream.pages,
                            .end_layer = model_.spec().layers,
                            .logits_begin = tokens - 1,
                            .logits_end = tokens});
        stream.length += tokens;
    }
    std::vector<bool> chosen(static_cast<size_t>(model_.spec().experts));
    const auto count_experts = [&](int32_t, std::span<const engine::RowRange>, const math::Routing& routing) {
        chosen.assign(chosen.size(), false);
        for (int64_t row = 0; row < routing.experts.rows; row++) {
            for (int64_t slot = 0; slot < routing.experts.cols; slot++)
                chosen[static_cast<size_t>(routing.experts.row(row)[slot])] = true;
        }
        experts_read_ += std::count(chosen.begin(), chosen.end(), true);
    };
    engine::Executor(model_, ops_, pages_.data()).run(segments, [](auto, auto) {}, {.router = count_experts});
}

void BenchWorkloads::release(std::vector<Stream>& streams) {
    for (const auto& stream : streams) {
        for (const int32_t page : stream.pages) pages_.release(page);
    }
}

BenchRow BenchWorkloads::summary(std::string kind, std::string detail, const std::vector<Sample>& samples) {
    std::vector<double> rates, limits, fractions;
    for (const Sample& sample : samples) {
        rates.push_back(sample.rate);
        limits.push_back(sample.limit);
        fractions.push_back(sample.rate / sample.limit);
    }
    const auto [slowest, fastest] = std::ranges::minmax(rates);
    return {.kind = std::move(kind),
            .detail = std::move(detail),
            .rate = median(rates),
            .slowest = slowest,
            .fastest = fastest,
            .limit = median(limits),
            .fraction = median(fractions),
            .bound = samples.front().memory_bound ? "memory" : "arithmetic"};
}

}  // namespace hone::cli

#include "cli/bench/workloads.h"

#include <algorithm>
#include <cstring>

namespace hone::cli {

using math::Phase;

Result<std::unique_ptr<BenchWorkloads>> BenchWorkloads::create(const OpenModel& open, LimitMeter& meter, int64_t pages,
                                                               bool quiet) {
    if (pages > INT32_MAX) return error("the workloads need {} cache pages, more than can be counted", pages);
    auto cache = engine::PagePool::create(open.loaded.model->cache_spec().page_bytes, static_cast<int32_t>(pages));
    if (!cache) return cache.error();
    return std::unique_ptr<BenchWorkloads>(new BenchWorkloads(open, meter, std::move(*cache), quiet));
}

BenchWorkloads::BenchWorkloads(const OpenModel& open, LimitMeter& meter, engine::PagePool pages, bool quiet)
    : model_(*open.loaded.model),
      cost_(cost_of(*open.loaded.model, open.int4_class)),
      watch_(meter),
      pages_(std::move(pages)),
      ops_{*open.pool, workspace_, *open.kernels, open.int4_class, &clock_},
      samplers_(static_cast<size_t>(open.pool->threads()),
                engine::Sampler(*open.kernels, open.loaded.model->spec().vocabulary)),
      quiet_(quiet) {}

std::vector<BenchRow> BenchWorkloads::prefill(const std::string& name, int32_t prompt, int32_t chunk, int32_t repeats) {
    const auto run = [&](PassCounts& counts) {
        std::vector<Stream> streams(1);
        for (int32_t at = 0; at < prompt; at += chunk) {
            const int32_t tokens = std::min(chunk, prompt - at);
            extend(streams, tokens, at + tokens == prompt, counts);
        }
        release(streams);
    };
    PassCounts warm_up;  // so that no repetition is the one that meets fresh memory
    std::vector<Stream> streams(1);
    extend(streams, std::min(chunk, prompt), true, warm_up);
    release(streams);
    return measure(name, prompt, 1, repeats, run);
}

std::vector<BenchRow> BenchWorkloads::decode(const std::string& name, int32_t streams, int32_t depth, int32_t steps,
                                             int32_t repeats) {
    std::vector<Stream> sequences(static_cast<size_t>(streams));
    for (Stream& stream : sequences) fill_cache(stream, depth);
    PassCounts warm_up;
    extend(sequences, 1, true, warm_up);
    auto rows = measure(name, streams * steps, steps, repeats, [&](PassCounts& counts) {
        for (Stream& stream : sequences) stream.length = depth;
        for (int32_t step = 0; step < steps; step++) extend(sequences, 1, true, counts);
    });
    release(sequences);
    return rows;
}

std::vector<BenchRow> BenchWorkloads::measure(const std::string& name, int32_t tokens, int32_t steps, int32_t repeats,
                                              FunctionRef<void(PassCounts& counts)> body) {
    Progress progress("measuring " + name, static_cast<uint64_t>(tokens) * static_cast<uint64_t>(repeats),
                      Progress::Unit::tokens, quiet_);
    std::vector<Sample> samples;
    const Work every_limit{1, 1, 1, 1};
    const auto timings = watch_.time(repeats, every_limit, [&] {
        Sample& sample = samples.emplace_back();
        clock_.restart();
        body(sample.counts);
        clock_.enter(Phase::other);  // so that the time since the last phase counts
        for (size_t i = 0; i < sample.seconds.size(); i++) sample.seconds[i] = clock_.seconds(static_cast<Phase>(i));
        if (std::ssize(samples) <= repeats) progress.advance(static_cast<uint64_t>(tokens));
    });
    progress.finish();

    std::vector<Repetition> whole;
    std::array<std::vector<Repetition>, math::kPhases> phases;
    for (size_t i = 0; i < timings.size(); i++) {
        const Timing& timing = timings[i];
        const PhaseWork work = work_of(cost_, samples[i].counts);
        whole.push_back({tokens / timing.seconds, tokens / seconds_of(work, timing.limits), timing.is_clean});
        for (size_t p = 0; p < phases.size(); p++) {
            const double ms = 1000.0 / steps;
            phases[p].push_back({ms * samples[i].seconds[p], ms * work[p].seconds(timing.limits), timing.is_clean});
        }
    }
    std::vector<BenchRow> rows{summarise(name, "tokens/s", whole, repeats)};
    for (const Phase phase : {Phase::attention, Phase::experts, Phase::dense, Phase::head, Phase::router,
                              Phase::quantise, Phase::sampling, Phase::other}) {
        BenchRow row =
            summarise(fmt::format("{}/{}", name, name_of(phase)), "ms", phases[static_cast<size_t>(phase)], repeats);
        if (row.value > 0) rows.push_back(std::move(row));  // a dense model has no experts
    }
    return rows;
}

void BenchWorkloads::extend(std::vector<Stream>& streams, int32_t tokens, bool wants_logits, PassCounts& counts) {
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
                            .logits_begin = wants_logits ? tokens - 1 : tokens,
                            .logits_end = tokens});
        // Row i of the tokens sees length + i + 1 keys.
        counts.keys_seen += tokens * (stream.length + (tokens + 1) / 2.0);
        stream.length += tokens;
        counts.keys_read += stream.length;
    }
    counts.passes += 1;
    counts.rows += static_cast<double>(ids.size());
    counts.head_passes += wants_logits;
    counts.logits_rows += wants_logits ? static_cast<double>(streams.size()) : 0;
    std::vector<bool> chosen(static_cast<size_t>(model_.spec().experts));
    const auto count_experts = [&](int32_t, std::span<const engine::RowRange>, const math::Routing& routing) {
        chosen.assign(chosen.size(), false);
        for (int64_t row = 0; row < routing.experts.rows; row++) {
            for (const int32_t expert : routing.experts.row_span(row)) chosen[static_cast<size_t>(expert)] = true;
        }
        counts.experts += static_cast<double>(std::count(chosen.begin(), chosen.end(), true));
    };
    engine::Executor(model_, ops_, pages_.data())
        .run(segments, [&](auto, math::MatrixView<const float> logits) { draw(logits); }, {.router = count_experts});
}

void BenchWorkloads::draw(math::MatrixView<const float> logits) {
    const math::PhaseScope phase(ops_, Phase::sampling);
    const engine::SamplingParams params;
    ops_.pool.parallel_for(logits.rows, [&](int64_t row, int worker) {
        const auto drawn = samplers_[static_cast<size_t>(worker)].draw(
            logits.row_span(row), {.params = params, .seed = static_cast<uint64_t>(row), .tokens = {}});
        CHECK(drawn.ok(), "{}", drawn.error().message);
    });
}

void BenchWorkloads::fill_cache(Stream& stream, int32_t depth) {
    std::vector<math::bf16> values(1 << 16);
    for (math::bf16& value : values) value = math::round_to_bf16(random_.normal());
    for (int32_t page = 0; page < engine::pages_for(depth); page++) stream.pages.push_back(*pages_.take());
    ops_.pool.parallel_for(std::ssize(stream.pages), [&](int64_t i, int) {
        const size_t page_bytes = pages_.page_bytes(), step = values.size() * sizeof(math::bf16);
        std::byte* page = pages_.data() + page_bytes * static_cast<size_t>(stream.pages[static_cast<size_t>(i)]);
        for (size_t at = 0; at < page_bytes; at += step)
            std::memcpy(page + at, values.data(), std::min(step, page_bytes - at));
    });
    stream.length = depth;
}

void BenchWorkloads::release(std::vector<Stream>& streams) {
    for (const auto& stream : streams) {
        for (const int32_t page : stream.pages) pages_.release(page);
    }
}

}  // namespace hone::cli

#include "engine/score.h"

#include <algorithm>

#include "base/topology.h"

namespace hone::engine {

Result<std::unique_ptr<Scorer>> Scorer::create(const model::Model& model, const math::KernelTable& kernels,
                                               int32_t max_tokens, int threads, math::NumericClass int4_class) {
    CHECK_GE(max_tokens, 1);
    if (max_tokens > model.spec().max_positions) {
        return error("a sequence of {} tokens is longer than the {} positions of the model", max_tokens,
                     model.spec().max_positions);
    }
    auto pages = PagePool::create(model.cache_spec().page_bytes, pages_for(max_tokens));
    if (!pages) return pages.error();
    if (threads <= 0) threads = static_cast<int>(usable_cpus().size());
    return std::unique_ptr<Scorer>(new Scorer(model, kernels, std::move(*pages), threads, int4_class));
}

Scorer::Scorer(const model::Model& model, const math::KernelTable& kernels, PagePool pages, int threads,
               math::NumericClass int4_class)
    : model_(model),
      pages_(std::move(pages)),
      threads_(threads),
      ops_{threads_, workspace_, kernels, int4_class},
      executor_(model, ops_, pages_.data()) {}

void Scorer::begin(const model::Adapter* adapter) {
    adapter_ = adapter;
    for (const int32_t page : table_) pages_.release(page);
    table_.clear();
    length_ = 0;
}

Status Scorer::extend(std::span<const int32_t> ids, const ScoreSchedule& schedule, ScoreSink sink,
                      const ExecutorTaps& taps) {
    CHECK(schedule.chunk_tokens >= 1 && schedule.layers_per_step >= 0, "chunk {}, layers {}", schedule.chunk_tokens,
          schedule.layers_per_step);
    const int64_t limit = std::min<int64_t>(int64_t{pages_.total()} * kPageTokens, model_.spec().max_positions);
    if (length_ + std::ssize(ids) > limit) {
        return error("a sequence of {} tokens is longer than {}", length_ + std::ssize(ids), limit);
    }
    const auto outside =
        std::ranges::find_if(ids, [&](int32_t id) { return id < 0 || id >= model_.spec().vocabulary; });
    if (outside != ids.end()) {
        return error("token {} at position {} is outside the vocabulary of {}", *outside,
                     length_ + (outside - ids.begin()), model_.spec().vocabulary);
    }
    const int32_t layers = model_.spec().layers;
    const int32_t group = schedule.layers_per_step == 0 ? layers : std::min(schedule.layers_per_step, layers);
    while (!ids.empty()) {
        const auto chunk = ids.first(std::min(ids.size(), static_cast<size_t>(schedule.chunk_tokens)));
        ids = ids.subspan(chunk.size());
        chunk_position_ = length_;
        resting_.values.clear();
        length_ += static_cast<int32_t>(chunk.size());
        while (std::ssize(table_) < pages_for(length_)) table_.push_back(*pages_.take());
        for (int32_t first = 0; first < layers; first += group) {
            const int32_t end = std::min(first + group, layers);
            const ExecutorSegment segment{.ids = chunk,
                                          .first_position = chunk_position_,
                                          .pages = table_,
                                          .first_layer = first,
                                          .end_layer = end,
                                          .resting = &resting_,
                                          .logits_begin = 0,
                                          .logits_end = end == layers ? static_cast<int32_t>(chunk.size()) : 0,
                                          .adapter = adapter_};
            executor_.run(
                {&segment, 1},
                [&](std::span<const LogitsRow> rows, math::MatrixView<const float> logits) {
                    sink(chunk_position_ + rows.front().row, logits);
                },
                taps);
        }
    }
    return ok();
}

}  // namespace hone::engine

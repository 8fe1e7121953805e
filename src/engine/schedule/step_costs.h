// What a step costs by estimate: its work in counts (rows, experts, keys), and the time of each in picoseconds. Policies
// use it to fill a time budget; it never changes results. Pure integers but for the table of expected experts. The
// coefficients are fitted to the steps just run (cost_model.h) or come from a file (hone simulate).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/schedule/plan.h"

namespace hone::engine {

// What of a model's shape its costs depend on.
class ModelShape {
  public:
    ModelShape() = default;
    // routed_layers: those with experts, ascending; experts_per_token of `experts` each.
    ModelShape(int32_t layers, std::span<const int32_t> routed_layers, int32_t experts, int32_t experts_per_token);

    int32_t layers() const { return static_cast<int32_t>(routed_before_.size()) - 1; }
    // Layers with experts among [first, end).
    int32_t routed_in(int32_t first, int32_t end) const {
        return routed_before_[static_cast<size_t>(end)] - routed_before_[static_cast<size_t>(first)];
    }
    int32_t experts() const { return experts_; }
    // Experts of one layer that `rows` rows are expected to use when routing is uniform, in 1/1024:
    // E (1 - (1 - k/E)^rows).
    int64_t distinct_experts_1024(int64_t rows) const {
        if (distinct_.empty()) return 0;
        return distinct_[static_cast<size_t>(rows < std::ssize(distinct_) ? rows : std::ssize(distinct_) - 1)];
    }

  private:
    std::vector<int32_t> routed_before_ = {0};
    std::vector<int64_t> distinct_;  // by rows, until nearly all experts are used
    int32_t experts_ = 0;
};

// Work of the layers [first_layer, end_layer), a layer.
struct LayerWork {
    int32_t first_layer = 0, end_layer = 0;
    int64_t rows = 0;
    int64_t context = 0;  // keys that attention reads: each segment's tokens up to its last row
    int64_t pairs = 0;    // of a query and a key that it may see

    void add(const Segment& segment) {
        const int64_t first = segment.first_token, end = segment.end_token;
        rows += end - first;
        context += end;
        pairs += (end - first) * (first + end + 1) / 2;
    }
};

// The segments' work, cut into intervals of layers with constant rows, ascending; layers without rows are left out.
std::vector<LayerWork> layer_work(std::span<const Segment> segments);

// Picoseconds a layer; `expert` for every distinct expert that its rows use.
struct LayerCosts {
    int64_t fixed = 0, row = 0, expert = 0, context = 0, pair = 0;
};

struct StepCosts {
    LayerCosts dense, routed;
    int64_t step = 0;              // picoseconds a step, whatever it does
    int64_t logits = 0;            // picoseconds a row through the head and the sampler
    int64_t late_permille = 1100;  // what nearly all steps stay below, of their estimate
    int64_t most_rows = 0;         // in a layer of the steps that these were learnt from
    int64_t least_rows = 0;        // the same; 0 where they were not learnt

    // Picoseconds that the layers take; no more than kMostPicoseconds.
    int64_t of(const ModelShape& shape, const LayerWork& work) const;
    int64_t of(const ModelShape& shape, std::span<const Segment> segments) const;
};

constexpr int64_t kPicosecondsPerSecond = 1'000'000'000'000;
constexpr int64_t kMostPicoseconds = int64_t{1} << 60;

}  // namespace hone::engine

#include "engine/schedule/step_costs.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace hone::engine {

ModelShape::ModelShape(int32_t layers, std::span<const int32_t> routed_layers, int32_t experts,
                       int32_t experts_per_token)
    : routed_before_(static_cast<size_t>(layers) + 1), experts_(experts) {
    CHECK(layers > 0 && experts >= 0 && experts_per_token >= 0 && experts_per_token <= experts,
          "{} layers, {} of {} experts", layers, experts_per_token, experts);
    for (const int32_t layer : routed_layers) {
        CHECK(layer >= 0 && layer < layers, "layer {} of {}", layer, layers);
        routed_before_[static_cast<size_t>(layer) + 1] = 1;
    }
    for (size_t i = 1; i < routed_before_.size(); i++) routed_before_[i] += routed_before_[i - 1];
    if (experts == 0 || experts_per_token == 0) return;
    const double unused = 1.0 - static_cast<double>(experts_per_token) / experts;
    for (double left = 1; left * experts > 1.0 / 2048; left *= unused) {
        distinct_.push_back(std::llround(1024 * experts * (1 - left)));
    }
    distinct_.push_back(int64_t{1024} * experts);
}

std::vector<LayerWork> layer_work(std::span<const Segment> segments) {
    std::vector<int32_t> cuts;
    for (const Segment& segment : segments) {
        for (const int32_t cut : {segment.first_layer, segment.end_layer}) {
            if (std::ranges::find(cuts, cut) == cuts.end()) cuts.push_back(cut);
        }
    }
    std::ranges::sort(cuts);
    std::vector<LayerWork> intervals;
    for (size_t i = 1; i < cuts.size(); i++) {
        LayerWork work{.first_layer = cuts[i - 1], .end_layer = cuts[i]};
        for (const Segment& segment : segments) {
            if (segment.first_layer <= work.first_layer && segment.end_layer >= work.end_layer) work.add(segment);
        }
        if (work.rows > 0) intervals.push_back(work);
    }
    return intervals;
}

// A layer of this kind, in floating point so that no count can overflow.
static double layer_picoseconds(const LayerCosts& costs, const LayerWork& work, double experts) {
    return static_cast<double>(costs.fixed) + static_cast<double>(costs.row) * static_cast<double>(work.rows) +
           static_cast<double>(costs.expert) * experts +
           static_cast<double>(costs.context) * static_cast<double>(work.context) +
           static_cast<double>(costs.pair) * static_cast<double>(work.pairs);
}

int64_t StepCosts::of(const ModelShape& shape, const LayerWork& work) const {
    const int32_t routed_layers = shape.routed_in(work.first_layer, work.end_layer);
    const int32_t dense_layers = work.end_layer - work.first_layer - routed_layers;
    double sum = 0;
    if (routed_layers > 0) {
        const double experts = static_cast<double>(shape.distinct_experts_1024(work.rows)) / 1024;
        sum += routed_layers * layer_picoseconds(routed, work, experts);
    }
    if (dense_layers > 0) sum += dense_layers * layer_picoseconds(dense, work, 0);
    return static_cast<int64_t>(std::min(sum, static_cast<double>(kMostPicoseconds)));
}

int64_t StepCosts::of(const ModelShape& shape, std::span<const Segment> segments) const {
    int64_t sum = 0;
    for (const LayerWork& work : layer_work(segments)) sum = std::min(sum + of(shape, work), kMostPicoseconds);
    return sum;
}

}  // namespace hone::engine

// Learns what steps cost from the steps just run: non-negative least squares of relative errors, forgetting the old.
// Observations are kept apart by their number of rows, so that a long time of decoding alone does not wash out what
// prompts cost. Persisted nowhere; owned by the engine thread (or by a simulator with a clock of its own).
#pragma once

#include <array>
#include <cstdint>

#include "engine/schedule/step_costs.h"

namespace hone::engine {

// How long a step took.
struct StepTimes {
    std::span<const double> layer_seconds;  // by layer
    int64_t logits_rows = 0;
    double head_seconds = 0;  // of those rows
    double seconds = 0;       // all of the step
};

class CostModel {
  public:
    explicit CostModel(ModelShape shape);

    // A step ran these segments. Its estimate is compared before the coefficients move.
    void observe(std::span<const Segment> segments, const StepTimes& times);

    // What observe() is made of.
    // Layers of one kind that did `work` each took `seconds` a layer.
    void observe_layers(const LayerWork& work, bool routed, double seconds);
    // `rows` rows took `seconds` through head and sampler.
    void observe_logits(int64_t rows, double seconds);
    // A step of which layers and head are known took `seconds` beyond them.
    void observe_rest(double seconds);
    // A step estimated at `estimate_ps` took `seconds`: how good the model is, and how much room to leave for steps that
    // come late (StepCosts::late_permille: the second latest of the last 64).
    void observe_step(int64_t estimate_ps, double seconds);

    const ModelShape& shape() const { return shape_; }
    // The coefficients now.
    const StepCosts& costs() const { return costs_; }
    // Mean of |estimate / time - 1| over the last steps, about forty.
    double error() const { return error_; }
    uint64_t steps() const { return steps_; }

  private:
    static constexpr int kCounts = 5;    // fixed, rows, experts, context, pairs
    static constexpr int kBuckets = 20;  // of rows, by powers of two
    using Counts = std::array<double, kCounts>;

    // The normal equations of one bucket: means over the last observations of counts divided by time.
    struct Normal {
        std::array<Counts, kCounts> matrix{};
        Counts vector{};
        bool seen = false;
    };
    struct Fit {
        std::array<Normal, kBuckets> buckets;
        Counts picoseconds{};
        void observe(const Counts& counts, int64_t rows, double picoseconds_taken);
        void solve();
    };

    static LayerCosts rounded(const Counts& picoseconds);

    ModelShape shape_;
    Fit dense_, routed_;
    StepCosts costs_;
    std::array<int64_t, 64> permille_{};  // time of estimate, of the last steps
    double error_ = 0;
    uint64_t steps_ = 0;
    bool logits_seen_ = false, rest_seen_ = false;
};

}  // namespace hone::engine

#include "engine/schedule/cost_model.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace hone::engine {

constexpr double kNew = 0.05;        // weight of the newest observation among those of its kind
constexpr int64_t kMostLate = 1500;  // beyond that it is not lateness but a wrong model, or a machine taken away
constexpr int kSweeps = 24;          // of coordinate descent, from the last solution
// Before anything is observed: the order of magnitude of a small model on a laptop; the first observations replace it.
constexpr std::array<double, 5> kFirstGuess = {20e6, 50e6, 50e6, 50e3, 20e3};

CostModel::CostModel(ModelShape shape) : shape_(std::move(shape)) {
    dense_.picoseconds = routed_.picoseconds = kFirstGuess;
    costs_ = {.dense = rounded(dense_.picoseconds),
              .routed = rounded(routed_.picoseconds),
              .step = 100'000'000,
              .logits = 1'000'000'000};
}

void CostModel::observe(std::span<const Segment> segments, const StepTimes& times) {
    observe_step(costs_.of(shape_, segments) + costs_.step + times.logits_rows * costs_.logits, times.seconds);
    double rest = times.seconds - times.head_seconds;
    for (const LayerWork& work : layer_work(segments)) {
        std::array<double, 2> taken{};  // by layers without and with experts
        std::array<int32_t, 2> layers{};
        for (int32_t layer = work.first_layer; layer < work.end_layer; layer++) {
            const auto routed = static_cast<size_t>(shape_.routed_in(layer, layer + 1));
            taken[routed] += times.layer_seconds[static_cast<size_t>(layer)];
            layers[routed]++;
        }
        for (const size_t kind : {0, 1}) {
            if (layers[kind] > 0) observe_layers(work, kind == 1, taken[kind] / layers[kind]);
            rest -= taken[kind];
        }
    }
    observe_logits(times.logits_rows, times.head_seconds);
    observe_rest(rest);
}

void CostModel::observe_layers(const LayerWork& work, bool routed, double seconds) {
    if (work.rows <= 0 || !(seconds > 0)) return;
    costs_.most_rows = std::max(costs_.most_rows, work.rows);
    costs_.least_rows = costs_.least_rows == 0 ? work.rows : std::min(costs_.least_rows, work.rows);
    const double experts = routed ? static_cast<double>(shape_.distinct_experts_1024(work.rows)) / 1024 : 0;
    Fit& fit = routed ? routed_ : dense_;
    fit.observe({1, static_cast<double>(work.rows), experts, static_cast<double>(work.context),
                 static_cast<double>(work.pairs)},
                work.rows, seconds * kPicosecondsPerSecond);
    fit.solve();
    (routed ? costs_.routed : costs_.dense) = rounded(fit.picoseconds);
}

// Moves a mean towards what was seen now; the first observation sets it.
static int64_t moved(int64_t mean, double seconds, bool& seen) {
    const double now = std::min(seconds * kPicosecondsPerSecond, static_cast<double>(kMostPicoseconds));
    const double next = seen ? static_cast<double>(mean) * (1 - kNew) + now * kNew : now;
    seen = true;
    return static_cast<int64_t>(next);
}

void CostModel::observe_logits(int64_t rows, double seconds) {
    if (rows > 0 && seconds >= 0) {
        costs_.logits = moved(costs_.logits, seconds / static_cast<double>(rows), logits_seen_);
    }
}

void CostModel::observe_rest(double seconds) {
    if (seconds >= 0) costs_.step = moved(costs_.step, seconds, rest_seen_);
}

void CostModel::observe_step(int64_t estimate_ps, double seconds) {
    if (!(seconds > 0)) return;
    const double error = std::abs(static_cast<double>(estimate_ps) / (seconds * kPicosecondsPerSecond) - 1);
    const double permille = seconds * kPicosecondsPerSecond * 1000 / std::max(static_cast<double>(estimate_ps), 1.0);
    permille_[steps_ % permille_.size()] = static_cast<int64_t>(std::min(permille, 1e6));
    const double weight = std::max(1.0 / static_cast<double>(++steps_), kNew / 2);
    error_ += weight * (error - error_);
    if (steps_ < permille_.size()) return;
    std::array<int64_t, 64> sorted = permille_;
    std::ranges::nth_element(sorted, sorted.end() - 2);
    costs_.late_permille = std::clamp<int64_t>(*(sorted.end() - 2), 1000, kMostLate);
}

// Dividing by the time makes every observation's error relative, so that short steps count as much as long ones.
void CostModel::Fit::observe(const Counts& counts, int64_t rows, double picoseconds_taken) {
    const int bucket = std::min<int>(std::bit_width(static_cast<uint64_t>(rows)), kBuckets - 1);
    Normal& normal = buckets[static_cast<size_t>(bucket)];
    const double weight = normal.seen ? kNew : 1;
    normal.seen = true;
    for (size_t i = 0; i < kCounts; i++) {
        const double scaled = counts[i] / picoseconds_taken;
        normal.vector[i] += weight * (scaled - normal.vector[i]);
        for (size_t j = 0; j < kCounts; j++) {
            double& entry = normal.matrix[i][j];
            entry += weight * (scaled * counts[j] / picoseconds_taken - entry);
        }
    }
}

// Coordinate descent with each coefficient held at zero or above. It starts from the last solution: where the
// observations say nothing, what was known stays.
void CostModel::Fit::solve() {
    Normal sum;
    for (const Normal& bucket : buckets) {
        if (!bucket.seen) continue;
        for (size_t i = 0; i < kCounts; i++) {
            sum.vector[i] += bucket.vector[i];
            for (size_t j = 0; j < kCounts; j++) sum.matrix[i][j] += bucket.matrix[i][j];
        }
    }
    for (int sweep = 0; sweep < kSweeps; sweep++) {
        for (size_t i = 0; i < kCounts; i++) {
            if (!(sum.matrix[i][i] > 0)) continue;
            double slope = sum.vector[i];
            for (size_t j = 0; j < kCounts; j++) slope -= sum.matrix[i][j] * picoseconds[j];
            picoseconds[i] = std::max(0.0, picoseconds[i] + slope / sum.matrix[i][i]);
        }
    }
}

LayerCosts CostModel::rounded(const Counts& picoseconds) {
    const auto whole = [](double value) {
        return static_cast<int64_t>(std::min(value, static_cast<double>(kMostPicoseconds)));
    };
    return {.fixed = whole(picoseconds[0]),
            .row = whole(picoseconds[1]),
            .expert = whole(picoseconds[2]),
            .context = whole(picoseconds[3]),
            .pair = whole(picoseconds[4])};
}

}  // namespace hone::engine

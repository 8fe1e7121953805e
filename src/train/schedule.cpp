#include "train/schedule.h"

#include <algorithm>
#include <numbers>

#include "base/check.h"

namespace hone::train {
namespace {

// (1 + cos(pi x)) / 2 for x in [0, 1], as the square of cos(pi x / 2) by its series: 22 powers reach double's last
// place.
double half_cosine(double x) {
    const double angle = std::numbers::pi / 2 * x;
    double term = 1, cosine = 1;
    for (int n = 1; n <= 11; n++) {
        term *= -angle * angle / ((2 * n - 1) * (2 * n));
        cosine += term;
    }
    return cosine * cosine;
}

// From 1 at the start of the decay to 0 at its end.
double remaining(const Schedule& schedule, int64_t step) {
    const bool is_late = schedule.decay == Decay::warmup_stable_decay;
    const int64_t begin = is_late ? schedule.total_steps - schedule.decay_steps : schedule.warmup_steps;
    CHECK(begin >= schedule.warmup_steps && schedule.total_steps >= begin, "decay from step {} to {}, warm-up {}",
          begin, schedule.total_steps, schedule.warmup_steps);
    if (step >= schedule.total_steps) return 0;
    if (step <= begin) return 1;
    const double done = static_cast<double>(step - begin) / static_cast<double>(schedule.total_steps - begin);
    return schedule.decay == Decay::cosine ? half_cosine(done) : 1 - done;
}

}  // namespace

double learning_rate(const Schedule& schedule, int64_t step) {
    CHECK(step >= 1 && schedule.warmup_steps >= 0, "step {}, warm-up {}", step, schedule.warmup_steps);
    if (step < schedule.warmup_steps) {
        return schedule.peak * static_cast<double>(step) / static_cast<double>(schedule.warmup_steps);
    }
    if (schedule.decay == Decay::constant) return schedule.peak;
    const double left = remaining(schedule, step);
    return schedule.peak * (schedule.final_fraction + (1 - schedule.final_fraction) * left);
}

}  // namespace hone::train

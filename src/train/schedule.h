// Learning rates over a run: a pure function of the step, the same bits on every machine. Steps count from 1, as
// AdamW's t does.
#pragma once

#include <cstdint>

namespace hone::train {

enum class Decay {
    constant,
    linear,               // a straight line to the last step
    cosine,               // half a cosine to the last step (Loshchilov and Hutter 2017)
    warmup_stable_decay,  // constant, then a straight line over the last decay_steps (Hu et al. 2024)
};

// The rate rises linearly to `peak` at step warmup_steps, then decays to final_fraction * peak at step total_steps and
// stays there. 0 <= warmup_steps, and warmup_steps + decay_steps <= total_steps where there is a decay (checked).
struct Schedule {
    Decay decay = Decay::constant;
    double peak = 1e-4;
    int64_t warmup_steps = 0;
    int64_t total_steps = 0;  // not read by Decay::constant
    int64_t decay_steps = 0;  // read by Decay::warmup_stable_decay only
    double final_fraction = 0;
};

double learning_rate(const Schedule& schedule, int64_t step);

}  // namespace hone::train

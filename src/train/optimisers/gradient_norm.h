// The norm of all gradients together, and clipping by it. Deterministic: squares are summed in double, in 16 lanes by
// blocks at fixed places, and blocks in ascending order, so the bits depend neither on threads nor on the processor.
// Called by the pool's owner.
#pragma once

#include <span>

#include "base/thread_pool.h"

namespace hone::train {

// sqrt of the sum of all squares; infinite or NaN if a gradient is (the caller then takes no step).
double gradient_norm(ThreadPool& pool, std::span<const std::span<const float>> gradients);

// What gradients are multiplied by: min(1, grad_clip_norm / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_; 1 if
// grad_clip_norm is 0, which is off.
float clip_factor(double norm, double grad_clip_norm);

}  // namespace hone::train

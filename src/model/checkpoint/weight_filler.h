// Converts checkpoint tensors into the kernels' packed formats, in parallel and in bounded memory: every worker widens
// a block of rows to fp32 and packs it. Called by the one thread that owns the pool.
#pragma once

#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "math/tensor/tensor_view.h"
#include "model/checkpoint/weight_plan.h"

namespace hone::model {

struct FillJob {
    const PlannedWeight* weight = nullptr;
    const math::TensorView* source = nullptr;  // [n, k] or [n]; bf16, f16 or f32 (checked by match_tensors)
    std::byte* out = nullptr;                  // weight->bytes, zeroed
};

// Does the jobs; returns when all are done.
void fill_weights(std::span<const FillJob> jobs, ThreadPool& pool);

// The fp32 values of `count` elements from element `first` on. bf16, f16 or f32.
void widen(const math::TensorView& tensor, int64_t first, int64_t count, float* out);

}  // namespace hone::model

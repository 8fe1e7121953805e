// An adapter for tests that are about versions, not about arithmetic.
#pragma once

#include <vector>

#include "base/thread_pool.h"
#include "model/adapter.h"

namespace hone::testing_models {

// All of its factors are `value`; of a matrix that nobody computes with.
inline std::shared_ptr<const model::Adapter> make_adapter(float value = 1) {
    static const std::byte matrix{};
    ThreadPool pool(1);
    const std::vector<float> a(8, value), b(8, value);
    const model::AdaptedMatrix changed{
        .name = "m", .base = {math::WeightFormat::bf16, 8, 8, &matrix}, .rank = 1, .a = a, .b = b};
    return model::Adapter::pack({&changed, 1}, pool).value();
}

}  // namespace hone::testing_models

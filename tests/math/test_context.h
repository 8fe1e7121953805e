// What the tests of math share: random values, comparison of bits, and a context for ops.
#pragma once

#include <bit>
#include <cmath>
#include <span>
#include <vector>

#include <gtest/gtest.h>

#include "base/cpu_features.h"
#include "base/rng.h"
#include "math/ops/op_context.h"

namespace hone::math {

// Normal values with the given standard deviation.
inline std::vector<float> random_values(uint64_t seed, int64_t count, float deviation = 1) {
    Random random(seed);
    std::vector<float> values(static_cast<size_t>(count));
    for (float& value : values) value = deviation * random.normal();
    return values;
}

// NaNs count as equal: their bits are not part of any contract.
inline bool same_bits(float a, float b) {
    return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b) || (std::isnan(a) && std::isnan(b));
}

// Fails at the first difference of bits.
inline void expect_same_bits(std::span<const float> actual, std::span<const float> expected, const std::string& what) {
    ASSERT_EQ(actual.size(), expected.size()) << what;
    for (size_t i = 0; i < actual.size(); i++) {
        ASSERT_TRUE(same_bits(actual[i], expected[i]))
            << what << ": element " << i << " is " << fmt::format("{} for {}", actual[i], expected[i]);
    }
}

// A pool, a workspace and the kernels of one table.
struct TestContext {
    explicit TestContext(const KernelTable& table = *runnable_kernel_tables().back(), int threads = 1)
        : pool(threads), op{pool, workspace, table} {}

    ThreadPool pool;
    Workspace workspace;
    OpContext op;
};

inline std::string describe(const KernelTable& table) {
    return std::string(name_of(table.isa));
}

}  // namespace hone::math

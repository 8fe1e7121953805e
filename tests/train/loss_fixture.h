// What the tests of losses share: tokens of several documents with ratios on both sides of the usual thresholds, and
// the golden outputs of a loss.
#pragma once

#include "tests/math/golden_ops.h"
#include "tests/math/test_context.h"
#include "train/losses/tinker.h"

namespace hone::train {

using math::expect_same_bits;
using math::GoldenOp;
using math::GoldenPrecision;
using math::random_values;

inline const math::KernelTable& best_kernels() {
    flush_denormals();
    return *math::runnable_kernel_tables().back();
}

// Documents of 7, 1, 12 and 9 tokens. The first two tokens of each are unused; no ratio is near a threshold.
struct Tokens {
    std::vector<float> lp, q, advantages, mask, reference;
    std::vector<int64_t> offsets = {0, 7, 8, 20, 29};

    explicit Tokens(uint64_t seed) {
        constexpr float kLogRatios[] = {-1.2f, -0.35f, -0.12f, 0.02f, 0.08f, 0.13f, 0.4f, 1.7f};
        const auto size = static_cast<size_t>(offsets.back());
        lp = random_values(seed, offsets.back());
        reference = random_values(seed + 1, offsets.back(), 0.5f);
        const auto normal = random_values(seed + 2, offsets.back());
        q.resize(size), advantages.resize(size), mask.resize(size);
        for (float& value : lp) value = -std::abs(value) - 0.5f;
        for (size_t i = 0; i < size; i++) reference[i] += lp[i];
        for (size_t d = 0; d + 1 < offsets.size(); d++) {
            for (auto i = static_cast<size_t>(offsets[d]) + 2; i < static_cast<size_t>(offsets[d + 1]); i++) {
                mask[i] = 1;
                q[i] = lp[i] - kLogRatios[(i * 5 + seed) % 8];
                advantages[i] = normal[i];
            }
        }
        q[0] = -200;  // its ratio overflows; its advantage is 0
    }
    RatioInputs inputs() const { return {lp, q, advantages}; }
};

inline std::vector<int64_t> offsets_of(std::span<const int32_t> document_of_token) {
    std::vector<int64_t> offsets = {0};
    for (size_t i = 1; i < document_of_token.size(); i++) {
        if (document_of_token[i] != document_of_token[i - 1]) offsets.push_back(static_cast<int64_t>(i));
    }
    offsets.push_back(static_cast<int64_t>(document_of_token.size()));
    return offsets;
}

// Every output of the case that a loss has.
inline void expect_golden(const GoldenOp& golden, const std::string& name, const TokenLoss& loss) {
    const auto sum = static_cast<float>(loss.sum);
    golden.expect_within(name, "loss", {&sum, 1}, GoldenPrecision::fp32);
    if (golden.has(name, "out/each")) golden.expect_within(name, "each", loss.each, GoldenPrecision::fp32);
    if (golden.has(name, "out/dlp")) golden.expect_within(name, "dlp", loss.dlp, GoldenPrecision::fp32);
}

inline void expect_same_bits(const TokenLoss& actual, const TokenLoss& expected, const std::string& what) {
    math::expect_same_bits(actual.each, expected.each, what);
    math::expect_same_bits(actual.dlp, expected.dlp, what);
    EXPECT_EQ(actual.sum, expected.sum) << what;
}

// The loss of `compute(kernels)` is the same on every table; returns it.
inline TokenLoss same_on_every_isa(auto&& compute, const std::string& what) {
    const TokenLoss expected = compute(best_kernels());
    for (const math::KernelTable* table : math::runnable_kernel_tables()) {
        expect_same_bits(compute(*table), expected, what + " " + math::describe(*table));
    }
    return expected;
}

}  // namespace hone::train

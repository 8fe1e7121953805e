// Rotary embedding: bits on every ISA, golden values, frequencies.

#include "math/ops/rotary.h"

#include "golden_ops.h"
#include "test_context.h"

namespace hone::math {
namespace {

TEST(Rotary, EveryIsaGivesTheBitsOfTheReference) {
    flush_denormals();
    const RowKernels& reference = runnable_kernel_tables().front()->rows;
    for (const int64_t half : {1, 3, 8, 12, 16, 20, 24, 64, 65}) {
        const auto x = random_values(half, 2 * half), cosine = random_values(1, 2 * half),
                   sine = random_values(2, 2 * half);
        auto halves = x, pairs = x;
        reference.rotate_halves.run(cosine.data(), sine.data(), halves.data(), half);
        auto doubled_cosine = cosine, doubled_sine = sine;
        for (int64_t i = 0; i < 2 * half; i++) {
            doubled_cosine[i] = cosine[i / 2];
            doubled_sine[i] = sine[i / 2];
        }
        reference.rotate_pairs.run(doubled_cosine.data(), doubled_sine.data(), pairs.data(), half);
        for (const KernelTable* table : runnable_kernel_tables()) {
            auto actual = x;
            table->rows.rotate_halves.run(cosine.data(), sine.data(), actual.data(), half);
            expect_same_bits(actual, halves, fmt::format("{} half={}", table->rows.rotate_halves.name, half));
            actual = x;
            table->rows.rotate_pairs.run(doubled_cosine.data(), doubled_sine.data(), actual.data(), half);
            expect_same_bits(actual, pairs, fmt::format("{} half={}", table->rows.rotate_pairs.name, half));
        }
    }
}

TEST(Rotary, FrequenciesAreThePowersOfTheta) {
    for (const float theta : {1.0f, 2.0f, 500.0f, 10000.0f, 500000.0f, 1e6f, 8e6f, 1e8f}) {
        for (const int32_t dim : {2, 4, 24, 64, 96, 128, 256}) {
            const auto frequencies = rotary_inverse_frequencies(theta, dim);
            ASSERT_EQ(frequencies.size(), static_cast<size_t>(dim / 2));
            for (int32_t i = 0; i < dim / 2; i++) {
                const long double exact = std::pow(static_cast<long double>(theta), -2.0L * i / dim);
                EXPECT_EQ(frequencies[i], static_cast<float>(exact)) << theta << " " << dim << " " << i;
            }
        }
    }
}

TEST(Rotary, Golden) {
    const GoldenOp golden("rope");
    for (const KernelTable* table : runnable_kernel_tables()) {
        TestContext context(*table);
        for (const auto& name : golden.cases()) {
            const Shape shape = golden.shape(name, "in/x");
            auto x = golden.values(name, "in/x");
            const auto positions = golden.values<int32_t>(name, "in/positions");
            const auto& attributes = golden.attributes(name);
            const RotarySpec spec{
                .head_dim = static_cast<int32_t>(shape[2]),
                .interleaved = attributes.at("interleaved").as_bool(),
                .inverse_frequencies = rotary_inverse_frequencies(attributes.at("theta").to_number<float>(),
                                                                  attributes.at("rotary_dim").to_number<int32_t>())};
            rotary(context.op, positions, spec, {x.data(), shape[0], shape[1] * shape[2]});
            golden.expect_within(name, "y", x, GoldenPrecision::fp32);
        }
    }
}

TEST(Rotary, ScaleAndThreads) {
    const int64_t rows = 300, heads = 6;
    RotarySpec spec{.head_dim = 32, .scale = 1.25f, .inverse_frequencies = rotary_inverse_frequencies(10000, 24)};
    const auto x = random_values(3, rows * heads * spec.head_dim);
    std::vector<int32_t> positions(rows);
    for (int64_t i = 0; i < rows; i++) positions[i] = static_cast<int32_t>(i * 977 % 100003);
    auto one = x;
    TestContext single;
    rotary(single.op, positions, spec, {one.data(), rows, heads * spec.head_dim});
    for (const int threads : {2, 3}) {
        TestContext context(*runnable_kernel_tables().back(), threads);
        auto several = x;
        rotary(context.op, positions, spec, {several.data(), rows, heads * spec.head_dim});
        expect_same_bits(several, one, fmt::format("{} threads", threads));
    }
    for (int64_t i = 0; i < rows; i++) {
        const float* before = x.data() + i * heads * spec.head_dim;
        const float* after = one.data() + i * heads * spec.head_dim;
        EXPECT_NEAR(std::hypot(after[1], after[13]), 1.25f * std::hypot(before[1], before[13]), 1e-5f);
        for (int64_t j = 24; j < 32; j++) EXPECT_EQ(after[j], before[j]);  // beyond the rotary dimensions
    }
}

}  // namespace
}  // namespace hone::math

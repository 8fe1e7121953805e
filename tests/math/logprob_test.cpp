// The log-probability function: bits on every ISA, golden values, accuracy over large vocabularies, masked logits.

#include "math/ops/logprob.h"

#include "golden_ops.h"
#include "test_context.h"

namespace hone::math {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

double exact_logprob(std::span<const float> logits, float temperature, size_t target) {
    double maximum = -kInfinity, sum = 0;
    for (const float z : logits) maximum = std::max(maximum, double{z} / temperature);
    for (const float z : logits) sum += std::exp(double{z} / temperature - maximum);
    return double{logits[target]} / temperature - maximum - std::log(sum);
}

TEST(LogProb, EveryIsaGivesTheBitsOfTheReference) {
    flush_denormals();
    const KernelTable& reference = *runnable_kernel_tables().front();
    for (const int64_t vocabulary : {1, 2, 15, 16, 17, 1023, 1024, 1025, 2048, 5000, 50001}) {
        for (const float temperature : {1.0f, 0.7f, 3.0f}) {
            auto logits = random_values(vocabulary, vocabulary, 4);
            for (size_t i = 3; i < logits.size(); i += 11) logits[i] = -kInfinity;
            const auto expected = log_normaliser(reference, logits, temperature);
            std::vector<float> expected_all(logits.size()), all(logits.size());
            all_logprobs(reference, logits, temperature, expected_all);
            for (const KernelTable* table : runnable_kernel_tables()) {
                const auto actual = log_normaliser(*table, logits, temperature);
                EXPECT_TRUE(same_bits(actual.maximum, expected.maximum)) << describe(*table) << " " << vocabulary;
                EXPECT_TRUE(same_bits(actual.log_sum, expected.log_sum)) << describe(*table) << " " << vocabulary;
                all_logprobs(*table, logits, temperature, all);
                expect_same_bits(all, expected_all, describe(*table));
                for (size_t i = 0; i < all.size(); i += 97) ASSERT_TRUE(same_bits(actual.logprob(logits[i]), all[i]));
            }
        }
    }
}

TEST(LogProb, IsAccurateOverLargeVocabularies) {
    flush_denormals();
    for (const KernelTable* table : runnable_kernel_tables()) {
        for (const int64_t vocabulary : {5, 3000, 151936}) {
            const auto logits = random_values(vocabulary, vocabulary, 3);
            for (const float temperature : {1.0f, 0.5f, 2.0f}) {
                const auto normaliser = log_normaliser(*table, logits, temperature);
                for (size_t target = 0; target < logits.size(); target += 1 + logits.size() / 7) {
                    // Roundings of z, z - m and the result near 16, and of a sum in 16 chains, relative.
                    const double tolerance = 4 * 16 * 0x1p-24 + 0x1p-24 * (64 + 5 + 150);
                    EXPECT_NEAR(normaliser.logprob(logits[target]), exact_logprob(logits, temperature, target),
                                tolerance);
                }
            }
        }
    }
}

TEST(LogProb, Golden) {
    const GoldenOp golden("logprob");
    TestContext context;
    for (const auto& name : golden.cases()) {
        const Shape hidden = golden.shape(name, "in/h"), weight = golden.shape(name, "in/w");
        const auto h = golden.values(name, "in/h"), w = golden.values(name, "in/w");
        const auto targets = golden.values<int32_t>(name, "in/targets");
        const auto temperature = golden.attributes(name).at("temperature").to_number<float>();
        const size_t per_row = targets.size() / static_cast<size_t>(hidden[0]);
        std::vector<float> logits(static_cast<size_t>(weight[0])), lp, lse;
        for (int64_t t = 0; t < hidden[0]; t++) {
            for (int64_t v = 0; v < weight[0]; v++) {
                double sum = 0;
                for (int64_t i = 0; i < hidden[1]; i++) sum += double{h[t * hidden[1] + i]} * w[v * hidden[1] + i];
                logits[v] = static_cast<float>(sum);
            }
            const auto normaliser = log_normaliser(context.op.kernels, logits, temperature);
            lse.push_back(normaliser.maximum + normaliser.log_sum);
            for (size_t k = 0; k < per_row; k++) lp.push_back(normaliser.logprob(logits[targets[t * per_row + k]]));
        }
        golden.expect_within(name, "lp", lp, GoldenPrecision::fp32);
        golden.expect_within(name, "lse", lse, GoldenPrecision::fp32);
    }
}

TEST(LogProb, RowsDoNotDependOnThreads) {
    const int64_t rows = 30, vocabulary = 2000;
    const auto logits = random_values(9, rows * vocabulary, 3);
    std::vector<int32_t> targets(rows);
    for (int64_t i = 0; i < rows; i++) targets[i] = static_cast<int32_t>(i * 61 % vocabulary);
    std::vector<float> expected;
    for (int64_t i = 0; i < rows; i++) {
        const std::span row(logits.data() + i * vocabulary, vocabulary);
        expected.push_back(log_normaliser(*runnable_kernel_tables().back(), row, 1).logprob(row[targets[i]]));
    }
    for (const int threads : {1, 2, 3}) {
        TestContext context(*runnable_kernel_tables().back(), threads);
        std::vector<float> actual(rows);
        logprobs(context.op, {logits.data(), rows, vocabulary}, targets, actual);
        expect_same_bits(actual, expected, fmt::format("{} threads", threads));
    }
}

TEST(LogProb, MaskedLogits) {
    flush_denormals();
    std::vector<float> logits(3000, -kInfinity);
    logits[2500] = 3;
    for (const KernelTable* table : runnable_kernel_tables()) {
        const auto normaliser = log_normaliser(*table, logits, 1);
        EXPECT_EQ(normaliser.logprob(3), 0.0f);
        EXPECT_EQ(normaliser.logprob(-kInfinity), -kInfinity);
        const std::vector<float> nothing(2000, -kInfinity);
        EXPECT_TRUE(std::isnan(log_normaliser(*table, nothing, 1).logprob(-kInfinity)));
    }
}

// Rows of logits with NaNs: one among others at every place of a lane and a chunk, a chunk of nothing else, and such
// with -inf around them.
std::vector<std::vector<float>> rows_with_nan() {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    std::vector<std::vector<float>> rows = {{nan}, {1, nan}, {nan, -kInfinity}};
    for (const size_t at : {0, 15, 16, 40, 1023, 1024, 2047, 2999}) {
        rows.push_back(random_values(static_cast<uint64_t>(at), 3000));
        rows.back()[at / 32 * 32 % 1024] = 100;  // a maximum in the lane that the NaN may come to
        rows.back()[at] = nan;
        rows.emplace_back(3000, -kInfinity);
        rows.back()[at] = nan;
    }
    for (const size_t chunk : {0, 1, 2}) {
        for (const float others : {0.0f, -kInfinity}) {
            rows.emplace_back(3000, others);
            for (size_t i = chunk * 1024; i < std::min<size_t>(3000, (chunk + 1) * 1024); i++) rows.back()[i] = nan;
        }
    }
    rows.emplace_back(3000, nan);
    return rows;
}

TEST(LogProb, ANotANumberIsNotLost) {
    flush_denormals();
    const KernelTable& reference = *runnable_kernel_tables().front();
    for (const auto& logits : rows_with_nan()) {
        const auto expected = log_normaliser(reference, logits, 0.7f);
        for (const KernelTable* table : runnable_kernel_tables()) {
            const auto actual = log_normaliser(*table, logits, 0.7f);
            EXPECT_TRUE(same_bits(actual.maximum, expected.maximum))
                << describe(*table) << fmt::format(": {} for {}", actual.maximum, expected.maximum);
            EXPECT_TRUE(std::isnan(actual.log_sum)) << describe(*table) << " " << actual.log_sum;
            std::vector<float> all(logits.size());
            all_logprobs(*table, logits, 0.7f, all);
            for (const float logprob : all) ASSERT_TRUE(std::isnan(logprob)) << describe(*table);
        }
    }
}

TEST(Softmax, ANotANumberIsNotLost) {
    flush_denormals();
    for (const auto& x : rows_with_nan()) {
        for (const KernelTable* table : runnable_kernel_tables()) {
            std::vector<float> y(x.size());
            table->rows.softmax.run(x.data(), y.data(), static_cast<int64_t>(x.size()));
            for (const float value : y) ASSERT_TRUE(std::isnan(value)) << describe(*table);
        }
    }
}

}  // namespace
}  // namespace hone::math

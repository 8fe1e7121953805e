// The gradient of the logits: bits everywhere, golden gradients through the head's matrix, differences, rows without
// gradient, masked logits.

#include "golden_ops.h"
#include "gradient_check.h"
#include "math/ops/linear.h"
#include "math/ops/logprob.h"

namespace hone::math {
namespace {

std::vector<int32_t> targets_of(int64_t count, int64_t vocabulary) {
    std::vector<int32_t> targets;
    for (int64_t i = 0; i < count; i++) targets.push_back(static_cast<int32_t>(i * 61 % vocabulary));
    return targets;
}

TEST(LogProbBackward, TheSameBitsEverywhere) {
    for (const int64_t vocabulary : {1, 15, 17, 1023, 1025, 3000}) {
        const int64_t rows = 12, per_row = 2, count = rows * vocabulary;
        auto logits = random_values(1, count, 4);
        for (int64_t i = 3; i < count; i += 11) logits[i] = -std::numeric_limits<float>::infinity();
        const auto targets = targets_of(rows * per_row, vocabulary);
        const auto dlogprobs = random_values(2, rows * per_row), dall = random_values(3, count);
        const auto run = [&](OpContext& op) {
            auto results = logits;
            results.insert(results.end(), logits.begin(), logits.end());
            const MatrixView<float> some(results.data(), rows, vocabulary), all(&results[count], rows, vocabulary);
            std::vector<LogNormaliser> normalisers(rows);
            log_normalisers(op, some, 0.7f, normalisers);
            logprobs_backward(op, normalisers, {targets.data(), rows, per_row}, {dlogprobs.data(), rows, per_row},
                              some);
            all_logprobs_backward(op, normalisers, {dall.data(), rows, vocabulary}, all);
            return results;
        };
        expect_same_everywhere(run, fmt::format("{} tokens", vocabulary));
    }
}

double logprob_of(std::span<const double> logits, double temperature, size_t token) {
    double sum = 0;
    for (const double z : logits) sum += std::exp(z / temperature);
    return logits[token] / temperature - std::log(sum);
}

TEST(LogProbBackward, AgreesWithDifferences) {
    const int64_t rows = 3, vocabulary = 37, per_row = 4;
    const double temperature = 0.8;
    const auto logits = random_values(4, rows * vocabulary, 2);
    auto targets = targets_of(rows * per_row, vocabulary);
    targets[1] = targets[0];  // one token twice
    const auto dlogprobs = random_values(5, rows * per_row), dall = random_values(6, rows * vocabulary);
    TestContext context;
    std::vector<LogNormaliser> normalisers(rows);
    log_normalisers(context.op, {logits.data(), rows, vocabulary}, static_cast<float>(temperature), normalisers);
    auto some = logits, all = logits;
    logprobs_backward(context.op, normalisers, {targets.data(), rows, per_row}, {dlogprobs.data(), rows, per_row},
                      {some.data(), rows, vocabulary});
    all_logprobs_backward(context.op, normalisers, {dall.data(), rows, vocabulary}, {all.data(), rows, vocabulary});
    auto wide = widened(logits);
    const auto row = [&](int64_t t) { return std::span<const double>(&wide[t * vocabulary], vocabulary); };
    const auto of_targets = [&] {
        double sum = 0;
        for (int64_t i = 0; i < rows * per_row; i++)
            sum += dlogprobs[i] * logprob_of(row(i / per_row), temperature, static_cast<size_t>(targets[i]));
        return sum;
    };
    const auto of_all = [&] {
        double sum = 0;
        for (int64_t i = 0; i < rows * vocabulary; i++)
            sum += dall[i] * logprob_of(row(i / vocabulary), temperature, static_cast<size_t>(i % vocabulary));
        return sum;
    };
    const std::vector<float> nothing(logits.size());
    expect_added(nothing, some, numeric_gradient(wide, of_targets), 1e-6, "targets");
    expect_added(nothing, all, numeric_gradient(wide, of_all), 1e-6, "all tokens");
}

TEST(LogProbBackward, NormalisersAreThoseOfSingleRows) {
    const int64_t rows = 20, vocabulary = 2100;
    const auto logits = random_values(7, rows * vocabulary, 3);
    TestContext context(*runnable_kernel_tables().back(), 2);
    std::vector<LogNormaliser> normalisers(rows);
    log_normalisers(context.op, {logits.data(), rows, vocabulary}, 1.5f, normalisers);
    for (int64_t t = 0; t < rows; t++) {
        const auto single = log_normaliser(context.op.kernels, {&logits[t * vocabulary], vocabulary}, 1.5f);
        EXPECT_TRUE(same_bits(normalisers[t].maximum, single.maximum));
        EXPECT_TRUE(same_bits(normalisers[t].log_sum, single.log_sum));
        EXPECT_EQ(normalisers[t].temperature, 1.5f);
    }
}

TEST(LogProbBackward, ARowWithoutGradientBecomesZeroWhateverItHolds) {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    std::vector<float> logits{nan, 1, nan, 0, 0, 0};
    const std::vector<int32_t> targets{1, 2};
    const std::vector<float> dlogprobs{0, 3};
    const std::vector<LogNormaliser> normalisers{{nan, nan, 1}, {0, std::log(3.0f), 1}};
    TestContext context;
    logprobs_backward(context.op, normalisers, {targets.data(), 2, 1}, {dlogprobs.data(), 2, 1}, {logits.data(), 2, 3});
    for (size_t i = 0; i < 3; i++) EXPECT_EQ(logits[i], 0.0f);
    EXPECT_NEAR(logits[3], -1, 1e-6);
    EXPECT_NEAR(logits[5], 2, 1e-6);
}

TEST(LogProbBackward, MaskedLogitsGetNoGradient) {
    const float infinity = std::numeric_limits<float>::infinity();
    for (const KernelTable* table : runnable_kernel_tables()) {
        std::vector<float> logits{-infinity, 1, 2, -infinity};
        TestContext context(*table);
        const LogNormaliser normaliser = log_normaliser(*table, logits, 1);
        const int32_t target = 2;
        const float dlogprob = -1;
        logprobs_backward(context.op, {&normaliser, 1}, {&target, 1, 1}, {&dlogprob, 1, 1}, {logits.data(), 1, 4});
        EXPECT_EQ(logits[0], 0.0f);
        EXPECT_EQ(logits[3], 0.0f);
        EXPECT_NEAR(logits[1], 1 / (1 + std::exp(1.0f)), 1e-6);
        EXPECT_NEAR(logits[1] + logits[2], 0, 1e-6);
    }
}

TEST(LogProbBackward, Golden) {
    const GoldenOp golden("logprob");
    for (const auto& name : golden.cases()) {
        const Shape hidden = golden.shape(name, "in/h"), head = golden.shape(name, "in/w");
        const int64_t rows = hidden[0], dim = hidden[1], vocabulary = head[0];
        const auto h = golden.values(name, "in/h"), w = golden.values(name, "in/w"),
                   dlogprobs = golden.values(name, "in/dlp");
        const auto targets = golden.values<int32_t>(name, "in/targets");
        const auto per_row = static_cast<int64_t>(targets.size()) / rows;
        std::vector<std::byte> bytes(packed_bytes(WeightFormat::f32, vocabulary, dim));
        pack_weight(WeightFormat::f32, vocabulary, dim, 0, vocabulary, w.data(), bytes.data());
        const Weight weight{.format = WeightFormat::f32,
                            .n = static_cast<int32_t>(vocabulary),
                            .k = static_cast<int32_t>(dim),
                            .data = bytes.data()};
        std::vector<float> dz(static_cast<size_t>(rows * vocabulary));
        const MatrixView<float> logits(dz.data(), rows, vocabulary);
        TestContext context;
        linear(context.op, {h.data(), rows, dim}, weight, logits);
        std::vector<LogNormaliser> normalisers(static_cast<size_t>(rows));
        log_normalisers(context.op, logits, golden.attributes(name).at("temperature").to_number<float>(), normalisers);
        logprobs_backward(context.op, normalisers, {targets.data(), rows, per_row}, {dlogprobs.data(), rows, per_row},
                          logits);
        std::vector<double> dh(h.size()), dw(w.size());
        for (int64_t t = 0; t < rows; t++) {
            for (int64_t v = 0; v < vocabulary; v++) {
                for (int64_t i = 0; i < dim; i++) {
                    dh[t * dim + i] += double{logits.row(t)[v]} * w[v * dim + i];
                    dw[v * dim + i] += double{logits.row(t)[v]} * h[t * dim + i];
                }
            }
        }
        golden.expect_within(name, "dh", std::vector<float>(dh.begin(), dh.end()), GoldenPrecision::fp32);
        golden.expect_within(name, "dw", std::vector<float>(dw.begin(), dw.end()), GoldenPrecision::fp32);
    }
}

}  // namespace
}  // namespace hone::math

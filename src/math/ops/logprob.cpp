#include "math/ops/logprob.h"

#include "math/ops/parallel.h"

namespace hone::math {
namespace {

// One row's logits become their gradient; `row` [V] or null as the kernel has it, `total` the sum of all of them.
void replace_by_gradient(const KernelTable& kernels, const LogNormaliser& normaliser, const float* row, float total,
                         std::span<float> logits) {
    kernels.rows.logprobs_backward.run(normaliser.temperature, {normaliser.maximum, normaliser.log_sum}, row, total,
                                       logits.data(), static_cast<int64_t>(logits.size()));
}

void target_row_backward(const KernelTable& kernels, const LogNormaliser& normaliser, std::span<const int32_t> targets,
                         std::span<const float> dlogprobs, std::span<float> logits) {
    if (std::ranges::all_of(dlogprobs, [](float gradient) { return gradient == 0; })) {
        std::ranges::fill(logits, 0.0f);
        return;
    }
    float total = 0;
    for (const float gradient : dlogprobs) total += gradient;
    replace_by_gradient(kernels, normaliser, nullptr, total, logits);
    for (size_t k = 0; k < targets.size(); k++) {
        const auto target = static_cast<size_t>(targets[k]);
        CHECK(targets[k] >= 0 && target < logits.size(), "target {} of {}", targets[k], logits.size());
        logits[target] += dlogprobs[k] / normaliser.temperature;
    }
}

constexpr int64_t kLogitWork = 4;  // of a logit: an exponential

}  // namespace

float LogNormaliser::logprob(float logit) const {
    return logit / temperature - maximum - log_sum;
}

LogNormaliser log_normaliser(const KernelTable& kernels, std::span<const float> logits, float temperature) {
    CHECK(!logits.empty() && temperature > 0, "{} logits at temperature {}", logits.size(), temperature);
    LogSum sum;
    kernels.rows.log_sum_exp.run(logits.data(), temperature, &sum, static_cast<int64_t>(logits.size()));
    return {.maximum = sum.maximum, .log_sum = sum.log_sum, .temperature = temperature};
}

void logprobs(OpContext& context, MatrixView<const float> logits, std::span<const int32_t> targets,
              std::span<float> out) {
    CHECK(static_cast<int64_t>(targets.size()) == logits.rows && out.size() == targets.size(),
          "{} targets and {} results for {} rows", targets.size(), out.size(), logits.rows);
    for_row_blocks(context, logits.rows, kLogitWork * logits.cols, [&](int64_t first, int64_t count, int) {
        for (int64_t i = first; i < first + count; i++) {
            const int32_t target = targets[static_cast<size_t>(i)];
            CHECK(target >= 0 && target < logits.cols, "target {} of {}", target, logits.cols);
            const LogNormaliser normaliser = log_normaliser(context.kernels, logits.row_span(i), 1.0f);
            out[static_cast<size_t>(i)] = normaliser.logprob(logits.row(i)[target]);
        }
    });
}

void all_logprobs(const KernelTable& kernels, std::span<const float> logits, float temperature, std::span<float> out) {
    CHECK_EQ(out.size(), logits.size());
    const LogNormaliser normaliser = log_normaliser(kernels, logits, temperature);
    kernels.rows.logprobs.run(logits.data(), temperature, {normaliser.maximum, normaliser.log_sum}, out.data(),
                              static_cast<int64_t>(logits.size()));
}

void log_normalisers(OpContext& context, MatrixView<const float> logits, float temperature,
                     std::span<LogNormaliser> out) {
    CHECK_EQ(static_cast<int64_t>(out.size()), logits.rows);
    for_row_blocks(context, logits.rows, kLogitWork * logits.cols, [&](int64_t first, int64_t count, int) {
        for (int64_t i = first; i < first + count; i++) {
            out[static_cast<size_t>(i)] = log_normaliser(context.kernels, logits.row_span(i), temperature);
        }
    });
}

void logprobs_backward(OpContext& context, std::span<const LogNormaliser> normalisers,
                       MatrixView<const int32_t> targets, MatrixView<const float> dlogprobs, MatrixView<float> logits) {
    CHECK_EQ(static_cast<int64_t>(normalisers.size()), logits.rows);
    CHECK(targets.rows == logits.rows && dlogprobs.rows == logits.rows && targets.cols == dlogprobs.cols,
          "[{}, {}] and [{}, {}] for {} rows", targets.rows, targets.cols, dlogprobs.rows, dlogprobs.cols, logits.rows);
    for_row_blocks(context, logits.rows, kLogitWork * logits.cols, [&](int64_t first, int64_t count, int) {
        for (int64_t i = first; i < first + count; i++) {
            target_row_backward(context.kernels, normalisers[static_cast<size_t>(i)], targets.row_span(i),
                                dlogprobs.row_span(i), logits.row_span(i));
        }
    });
}

void all_logprobs_backward(OpContext& context, std::span<const LogNormaliser> normalisers,
                           MatrixView<const float> dlogprobs, MatrixView<float> logits) {
    CHECK_EQ(static_cast<int64_t>(normalisers.size()), logits.rows);
    CHECK(dlogprobs.rows == logits.rows && dlogprobs.cols == logits.cols, "[{}, {}] for [{}, {}]", dlogprobs.rows,
          dlogprobs.cols, logits.rows, logits.cols);
    for_row_blocks(context, logits.rows, kLogitWork * logits.cols, [&](int64_t first, int64_t count, int) {
        for (int64_t i = first; i < first + count; i++) {
            const float total = context.kernels.rows.sum.run(dlogprobs.row(i), logits.cols);
            replace_by_gradient(context.kernels, normalisers[static_cast<size_t>(i)], dlogprobs.row(i), total,
                                logits.row_span(i));
        }
    });
}

}  // namespace hone::math

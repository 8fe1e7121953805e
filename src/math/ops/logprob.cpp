#include "math/ops/logprob.h"

#include "math/ops/parallel.h"

namespace hone::math {

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
    constexpr int64_t kWork = 4;  // an exponential a logit
    for_row_blocks(context, logits.rows, kWork * logits.cols, [&](int64_t first, int64_t count, int) {
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

}  // namespace hone::math

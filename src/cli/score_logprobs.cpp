#include "cli/score_logprobs.h"

#include <cmath>

#include "math/ops/logprob.h"

namespace hone::cli {

void take_next_logprobs(const math::KernelTable& kernels, std::span<const int32_t> ids, int32_t first,
                        math::MatrixView<const float> logits, std::span<float> logprobs) {
    for (int64_t row = 0; row < logits.rows; row++) {
        const auto next = static_cast<size_t>(first + row) + 1;
        if (next >= ids.size()) return;
        const auto values = logits.row_span(row);
        logprobs[next - 1] = math::log_normaliser(kernels, values, 1).logprob(values[static_cast<size_t>(ids[next])]);
    }
}

double perplexity_of(double sum_of_logprobs, int64_t tokens) {
    return tokens ? std::exp(-sum_of_logprobs / static_cast<double>(tokens)) : 1;
}

}  // namespace hone::cli

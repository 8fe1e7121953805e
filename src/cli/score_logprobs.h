// Log-probabilities of a text's own tokens, out of the logits that a Scorer tells. Pure functions.
#pragma once

#include <cstdint>
#include <span>

#include "math/kernels/kernel_table.h"
#include "math/tensor/tensor_view.h"

namespace hone::cli {

// Sets logprobs[p] = log p(ids[p + 1] | ids[0..p]) for the positions p from `first` on whose logits [rows, V] these are;
// a position behind which no token is known is left out. logprobs [ids.size() - 1].
void take_next_logprobs(const math::KernelTable& kernels, std::span<const int32_t> ids, int32_t first,
                        math::MatrixView<const float> logits, std::span<float> logprobs);

// exp of the mean negative log-probability; 1 of nothing.
double perplexity_of(double sum_of_logprobs, int64_t tokens);

}  // namespace hone::cli

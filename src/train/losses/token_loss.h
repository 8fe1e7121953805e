// What every loss returns, and how losses of tokens are weighted, added and averaged. A loss is a function of the
// log-probabilities lp of the tokens trained on; how those come from logits is none of its business. Plain values, any
// thread; sizes that do not agree abort. The same bits on every machine: no library functions, sums in double in
// ascending order.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace hone::train {

struct TokenLoss {
    std::vector<float> each;  // the loss of each token, before any mean
    std::vector<float> dlp;   // d(sum)/d(lp): one a token, or [tokens, K] where a token has K log-probabilities
    double sum = 0;           // what is minimised, and Tinker's metric loss:sum

    explicit TokenLoss(size_t tokens = 0, size_t logprobs_per_token = 1)
        : each(tokens), dlp(tokens * logprobs_per_token) {}

    // Sets token i of a loss with one log-probability a token, and adds it to the sum.
    void set(size_t i, float loss, float gradient) {
        each[i] = loss;
        dlp[i] = gradient;
        sum += double{loss};
    }
};

// The loss whose gradient is given (a custom loss evaluated elsewhere at these lp): each = dlp lp, first order exact.
TokenLoss given_gradient(std::span<const float> lp, std::span<const float> dlp);

// Adds factor * other to the loss.
void add(TokenLoss& loss, const TokenLoss& other, float factor);

// Multiplies each token's loss by a constant of its own. Where that is 0 the token is left out, whatever its loss was.
void multiply(TokenLoss& loss, std::span<const float> weights);

// Documents lie end to end: document d has the tokens offsets[d] to offsets[d + 1].
using Offsets = std::span<const int64_t>;

enum class MeanOver {
    tokens,     // sum of mask * each / sum of mask (DAPO, CISPO)
    sequences,  // mean of the documents' means, over documents with a token in the mask (GRPO, GSPO)
    constant,   // sum of mask * each / (documents with a token in the mask * a constant length) (Dr.GRPO)
};

// Makes `sum` the mean of the losses under `mask` (0: the token does not count) and scales dlp accordingly; `each`
// stays. Of an empty mask the mean is 0. `length` is read by MeanOver::constant only, offsets by all but
// MeanOver::tokens.
void average(TokenLoss& loss, MeanOver over, std::span<const float> mask, Offsets offsets = {}, double length = 1);

}  // namespace hone::train

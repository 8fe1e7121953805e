#include "train/losses/token_loss.h"

#include <algorithm>

#include "base/check.h"

namespace hone::train {
namespace {

double sum_of(std::span<const float> values) {
    double sum = 0;
    for (const float value : values) sum += double{value};
    return sum;
}

size_t logprobs_per_token(const TokenLoss& loss) {
    return loss.each.empty() ? 1 : loss.dlp.size() / loss.each.size();
}

// dlp of token i times a factor; exactly 0 if the factor is 0, also where dlp is not finite.
void scale_gradient(TokenLoss& loss, size_t i, double factor) {
    const size_t count = logprobs_per_token(loss);
    for (float& dlp : std::span(loss.dlp).subspan(i * count, count)) {
        dlp = factor == 0 ? 0.0f : static_cast<float>(double{dlp} * factor);
    }
}

// What the mask has of each document.
std::vector<double> document_sums(std::span<const float> mask, Offsets offsets) {
    CHECK(!offsets.empty() && offsets.back() == static_cast<int64_t>(mask.size()), "{} offsets for {} tokens",
          offsets.size(), mask.size());
    std::vector<double> sums;
    for (size_t d = 0; d + 1 < offsets.size(); d++) {
        const auto first = static_cast<size_t>(offsets[d]), end = static_cast<size_t>(offsets[d + 1]);
        sums.push_back(sum_of(mask.subspan(first, end - first)));
    }
    return sums;
}

}  // namespace

TokenLoss given_gradient(std::span<const float> lp, std::span<const float> dlp) {
    CHECK_EQ(lp.size(), dlp.size());
    TokenLoss loss(lp.size());
    for (size_t i = 0; i < lp.size(); i++) {
        if (dlp[i] != 0) loss.set(i, dlp[i] * lp[i], dlp[i]);
    }
    return loss;
}

void add(TokenLoss& loss, const TokenLoss& other, float factor) {
    CHECK(loss.each.size() == other.each.size() && loss.dlp.size() == other.dlp.size(), "{} tokens and {}",
          loss.each.size(), other.each.size());
    for (size_t i = 0; i < loss.each.size(); i++) loss.each[i] += factor * other.each[i];
    for (size_t i = 0; i < loss.dlp.size(); i++) loss.dlp[i] += factor * other.dlp[i];
    loss.sum += double{factor} * other.sum;
}

void multiply(TokenLoss& loss, std::span<const float> weights) {
    CHECK_EQ(loss.each.size(), weights.size());
    for (size_t i = 0; i < weights.size(); i++) {
        loss.each[i] = weights[i] == 0 ? 0.0f : loss.each[i] * weights[i];
        scale_gradient(loss, i, double{weights[i]});
    }
    loss.sum = sum_of(loss.each);
}

void average(TokenLoss& loss, MeanOver over, std::span<const float> mask, Offsets offsets, double length) {
    CHECK_EQ(loss.each.size(), mask.size());
    // With one mean over everything, all tokens are one document.
    const int64_t whole[] = {0, static_cast<int64_t>(mask.size())};
    if (over == MeanOver::tokens) offsets = whole;
    const std::vector<double> counts = document_sums(mask, offsets);
    const auto alive = std::count_if(counts.begin(), counts.end(), [](double count) { return count > 0; });
    loss.sum = 0;
    for (size_t d = 0; d < counts.size(); d++) {
        const double per_document = over == MeanOver::constant ? length : std::max(counts[d], 1.0);
        for (auto i = static_cast<size_t>(offsets[d]); i < static_cast<size_t>(offsets[d + 1]); i++) {
            const double factor = mask[i] == 0 ? 0.0 : double{mask[i]} / (per_document * static_cast<double>(alive));
            scale_gradient(loss, i, factor);
            if (factor != 0) loss.sum += factor * double{loss.each[i]};
        }
    }
}

}  // namespace hone::train

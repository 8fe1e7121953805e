#include "train/losses/preference.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace hone::train {
namespace {

// Sum over a document's masked tokens of lp - reference.
double log_ratio(const PreferenceBatch& batch, int32_t document) {
    CHECK(document >= 0 && document + 1 < static_cast<int64_t>(batch.offsets.size()), "document {} of {}", document,
          batch.offsets.size());
    const auto d = static_cast<size_t>(document);
    double sum = 0;
    for (auto i = static_cast<size_t>(batch.offsets[d]); i < static_cast<size_t>(batch.offsets[d + 1]); i++) {
        if (batch.mask[i] != 0) sum += double{batch.mask[i]} * (double{batch.lp[i]} - double{batch.reference[i]});
    }
    return sum;
}

void add_gradient(const PreferenceBatch& batch, int32_t document, float gradient, std::span<float> dlp) {
    const auto d = static_cast<size_t>(document);
    for (auto i = static_cast<size_t>(batch.offsets[d]); i < static_cast<size_t>(batch.offsets[d + 1]); i++) {
        dlp[i] += gradient * batch.mask[i];
    }
}

// log(1 + e^-x) without loss where that is small (Kahan's log1p).
std::vector<float> minus_log_sigmoid(const math::KernelTable& kernels, std::span<const float> x) {
    const auto n = static_cast<int64_t>(x.size());
    std::vector<float> small(x.size()), one_more(x.size()), logarithm(x.size());
    for (size_t i = 0; i < x.size(); i++) small[i] = -std::abs(x[i]);
    kernels.rows.exp.run(small.data(), small.data(), n);
    for (size_t i = 0; i < x.size(); i++) one_more[i] = 1 + small[i];
    kernels.rows.log.run(one_more.data(), logarithm.data(), n);
    for (size_t i = 0; i < x.size(); i++) {
        const float log_one_more = one_more[i] == 1 ? small[i] : logarithm[i] * (small[i] / (one_more[i] - 1));
        logarithm[i] = std::max(-x[i], 0.0f) + log_one_more;
    }
    return logarithm;
}

}  // namespace

DpoLoss dpo(const math::KernelTable& kernels, const PreferenceBatch& batch, float beta) {
    const size_t tokens = batch.lp.size();
    CHECK(batch.reference.size() == tokens && batch.mask.size() == tokens && !batch.offsets.empty() &&
              batch.offsets.back() == static_cast<int64_t>(tokens),
          "{} lp, {} reference, mask {}, {} offsets", tokens, batch.reference.size(), batch.mask.size(),
          batch.offsets.size());
    DpoLoss loss;
    for (const PreferencePair& pair : batch.pairs) {
        loss.margins.push_back(
            static_cast<float>(double{beta} * (log_ratio(batch, pair.chosen) - log_ratio(batch, pair.rejected))));
    }
    loss.each = minus_log_sigmoid(kernels, loss.margins);
    for (const float each : loss.each) loss.sum += double{each};
    // d(-log sigmoid(x))/dx = -sigmoid(-x)
    std::vector<float> pull(loss.margins.size());
    for (size_t i = 0; i < pull.size(); i++) pull[i] = -loss.margins[i];
    kernels.rows.sigmoid.run(pull.data(), pull.data(), static_cast<int64_t>(pull.size()));
    loss.dlp.resize(tokens);
    for (size_t i = 0; i < pull.size(); i++) {
        add_gradient(batch, batch.pairs[i].chosen, -beta * pull[i], loss.dlp);
        add_gradient(batch, batch.pairs[i].rejected, beta * pull[i], loss.dlp);
    }
    return loss;
}

}  // namespace hone::train

// DPO against its formula in double, and at margins where a careless logarithm loses everything.

#include "train/losses/preference.h"

#include "finite_differences.h"
#include "loss_fixture.h"

namespace hone::train {
namespace {

TEST(Dpo, LossAndGradientAreThoseOfTheFormula) {
    const Tokens tokens(21);
    const PreferencePair pairs[] = {{0, 2}, {3, 0}, {2, 1}};
    const PreferenceBatch batch{tokens.lp, tokens.reference, tokens.mask, tokens.offsets, pairs};
    const DpoLoss loss = dpo(best_kernels(), batch, 0.3f);
    const auto f = [&](std::span<const double> lp) {
        const auto ratio = [&](int32_t document) {
            double sum = 0;
            const auto d = static_cast<size_t>(document);
            for (auto i = static_cast<size_t>(tokens.offsets[d]); i < static_cast<size_t>(tokens.offsets[d + 1]); i++) {
                sum += tokens.mask[i] * (lp[i] - tokens.reference[i]);
            }
            return sum;
        };
        double sum = 0;
        for (const auto& pair : pairs) sum += std::log1p(std::exp(-0.3 * (ratio(pair.chosen) - ratio(pair.rejected))));
        return sum;
    };
    EXPECT_NEAR(f(std::vector<double>(tokens.lp.begin(), tokens.lp.end())), loss.sum, 1e-5);
    expect_gradient(f, tokens.lp, loss.dlp, "dpo");
    for (const math::KernelTable* table : math::runnable_kernel_tables()) {
        const DpoLoss other = dpo(*table, batch, 0.3f);
        math::expect_same_bits(other.each, loss.each, math::describe(*table));
        math::expect_same_bits(other.dlp, loss.dlp, math::describe(*table));
    }
}

TEST(Dpo, LargeMarginsKeepTheirDigits) {
    const std::vector<float> reference = {0, 0}, mask = {1, 1};
    const std::vector<int64_t> offsets = {0, 1, 2};
    const PreferencePair pair[] = {{0, 1}};
    for (const float margin : {-80.0f, -3.0f, 0.0f, 1e-4f, 5.0f, 20.0f, 80.0f}) {
        const std::vector<float> lp = {margin, 0};
        const DpoLoss loss = dpo(best_kernels(), {lp, reference, mask, offsets, pair}, 1);
        EXPECT_EQ(loss.margins[0], margin);
        EXPECT_NEAR(loss.each[0] / std::log1p(std::exp(-double{margin})), 1, 1e-6) << margin;
        EXPECT_NEAR(loss.dlp[0] * -(1 + std::exp(double{margin})), 1, 1e-6) << margin;
        EXPECT_EQ(loss.dlp[1], -loss.dlp[0]);
    }
}

}  // namespace
}  // namespace hone::train

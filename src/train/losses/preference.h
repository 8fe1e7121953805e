// Direct preference optimisation (Rafailov et al. 2023): pairs of documents of which one is preferred. Pure function,
// any thread; sizes that do not agree abort.
#pragma once

#include "math/kernels/kernel_table.h"
#include "train/losses/token_loss.h"

namespace hone::train {

struct PreferencePair {
    int32_t chosen, rejected;  // numbers of documents
};

struct PreferenceBatch {
    std::span<const float> lp, reference;  // under the weights being trained, and under those to stay close to
    std::span<const float> mask;           // 1 on the tokens of answers, 0 on those of prompts
    Offsets offsets;
    std::span<const PreferencePair> pairs;
};

struct DpoLoss {
    std::vector<float> each;  // a pair's -log sigmoid(margin)
    std::vector<float>
        margins;  // beta ((lp - reference of the chosen one) - (that of the rejected one)), summed over tokens
    std::vector<float> dlp;  // d(sum)/d(lp), one a token
    double sum = 0;          // over the pairs
};

DpoLoss dpo(const math::KernelTable& kernels, const PreferenceBatch& batch, float beta = 0.1f);

}  // namespace hone::train

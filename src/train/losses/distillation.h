// Distillation: divergences between the distributions of a student S and a teacher T at each position, over the whole
// vocabulary or over K listed tokens. `alpha` chooses the divergence, as in SDPO (Huebotter et al. 2026): 0 is forward,
// KL(T||S); 1 is reverse, KL(S||T); between them (1 - alpha) KL(S||M) + alpha KL(T||M) with M = (1 - alpha) S + alpha
// T. Temperature 1; the teacher gets no gradient. The same bits on every ISA and for any thread count: rows are
// independent, a row is summed in double in 16 lanes.
#pragma once

#include "math/ops/op_context.h"
#include "train/losses/token_loss.h"

namespace hone::train {

using math::MatrixView;

// Over the whole vocabulary, for a block of rows: each[t] = divergence of row t, and dstudent[t] += weights[t] * its
// gradient to the student's logits. student, teacher: logits [T, V]; dstudent [T, V]. Nothing of size V is held beside
// them. A row of weight 0 gets no gradient.
void full_divergence(math::OpContext& context, MatrixView<const float> student, MatrixView<const float> teacher,
                     float alpha, std::span<const float> weights, std::span<float> each, MatrixView<float> dstudent);

// What the tokens that are not listed count as.
enum class Rest {
    tail,     // one more outcome of probability 1 - sum p, at least 1e-7 (where it gets no gradient)
    dropped,  // nothing: the listed probabilities are divided by their sum
};

// Over K listed tokens a row, K below 1024: student and teacher are the log-probabilities [N, K] of the same tokens.
// each [N], dlp [N, K]; sum is the sum of each.
TokenLoss topk_divergence(const math::KernelTable& kernels, MatrixView<const float> student,
                          MatrixView<const float> teacher, float alpha, Rest rest);

// -sum over k of T'_k S_k, T' the teacher's listed probabilities divided by their sum: cross_entropy with (N, K)
// targets.
TokenLoss topk_cross_entropy(const math::KernelTable& kernels, MatrixView<const float> student,
                             MatrixView<const float> teacher);

// SDPO's weights of tokens that older weights sampled: min(exp(clamp(lp - q, -20, 20)), is_clip).
std::vector<float> staleness_weights(const math::KernelTable& kernels, std::span<const float> lp,
                                     std::span<const float> q, float is_clip);

// Tokens of an on-policy sample: lp of the sampled token, q as it was sampled, mask of the tokens that count.
struct SdpoTokens {
    std::span<const float> lp, q, mask;
};
struct SdpoConfig {
    float alpha = 0.5f;
    float is_clip = 2;
};

// topk_divergence with a tail, times the staleness weight, averaged over the mask; `each` is that of all tokens.
TokenLoss sdpo(const math::KernelTable& kernels, MatrixView<const float> student, MatrixView<const float> teacher,
               const SdpoTokens& tokens, const SdpoConfig& config = {});

// The same with the sampled token alone: sg(lp - teacher_lp) lp.
TokenLoss sdpo_reinforce(const math::KernelTable& kernels, std::span<const float> teacher_lp, const SdpoTokens& tokens,
                         float is_clip = 2);

}  // namespace hone::train

#include "train/losses/distillation.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "math/ops/parallel.h"

namespace hone::train {
namespace {

// A sum in double: element i of what is added belongs to lane i mod 16 (numerics.md rule 2). Parts but the last have a
// multiple of 16 elements.
class LaneSum {
  public:
    void add(std::span<const float> values) {
        size_t i = 0;
        for (; i + kLanes <= values.size(); i += kLanes) {
            for (size_t lane = 0; lane < kLanes; lane++) lanes_[lane] += double{values[i + lane]};
        }
        for (; i < values.size(); i++) lanes_[i % kLanes] += double{values[i]};
    }
    double total() const {
        double sums[kLanes];
        std::copy_n(lanes_, kLanes, sums);
        for (size_t half = kLanes / 2; half > 0; half /= 2) {
            for (size_t lane = 0; lane < half; lane++) sums[lane] += sums[lane + half];
        }
        return sums[0];
    }

  private:
    static constexpr size_t kLanes = 16;
    double lanes_[kLanes] = {};
};

// For up to kMost outcomes with log-probabilities s (student) and t (teacher): p = exp(s), `loss` that sums up to the
// divergence, and g with d(divergence)/ds_v = g_v + p_v times something that is the same for all outcomes. That
// something drops out of every use, since probabilities sum up to 1: g - p sum(g) is the gradient to logits.
//   alpha = 0: loss = e^t (t - s)                                                       g = -e^t
//   alpha = 1: loss = p (s - t)                                                         g = p (s - t)
//   else:      loss = (1 - alpha) p (s - m) + alpha e^t (t - m), e^m the mixture,       g = (1 - alpha) p (s - m)
// An outcome of probability 0 adds nothing, whatever the other's logarithm.
struct DivergenceTerms {
    static constexpr int64_t kMost = 1024;
    alignas(64) float p[kMost], loss[kMost], g[kMost];

    void compute(const math::KernelTable& kernels, std::span<const float> s, std::span<const float> t, float alpha) {
        CHECK(s.size() == t.size() && s.size() <= kMost, "{} and {} outcomes of {}", s.size(), t.size(), kMost);
        const auto n = static_cast<int64_t>(s.size());
        kernels.rows.exp.run(s.data(), p, n);
        if (alpha != 1) kernels.rows.exp.run(t.data(), teacher_, n);
        if (alpha != 0 && alpha != 1) {
            for (int64_t i = 0; i < n; i++) {
                mixture_[i] = std::max((1 - alpha) * p[i] + alpha * teacher_[i], kLeast);
            }
            kernels.rows.log.run(mixture_, mixture_, n);
        }
        for (size_t i = 0; i < s.size(); i++) {
            if (alpha == 0) {
                loss[i] = product(teacher_[i], t[i] - s[i]);
                g[i] = -teacher_[i];
            } else if (alpha == 1) {
                loss[i] = g[i] = product(p[i], s[i] - t[i]);
            } else {
                g[i] = (1 - alpha) * product(p[i], s[i] - mixture_[i]);
                loss[i] = g[i] + alpha * product(teacher_[i], t[i] - mixture_[i]);
            }
        }
    }

  private:
    static constexpr float kLeast = 0x1p-126f;
    static float product(float probability, float difference) {
        return probability == 0 ? 0.0f : probability * difference;
    }

    alignas(64) float teacher_[kMost], mixture_[kMost];
};

// A row's logits as log-probabilities, a chunk at a time.
class LogprobRow {
  public:
    LogprobRow(const math::KernelTable& kernels, std::span<const float> logits) : kernels_(kernels), logits_(logits) {
        kernels.rows.log_sum_exp.run(logits.data(), 1.0f, &normaliser_, static_cast<int64_t>(logits.size()));
    }
    void read(int64_t first, std::span<float> out) const {
        kernels_.rows.logprobs.run(logits_.data() + first, 1.0f, normaliser_, out.data(),
                                   static_cast<int64_t>(out.size()));
    }

  private:
    const math::KernelTable& kernels_;
    std::span<const float> logits_;
    math::LogSum normaliser_;
};

// Calls visit(first, terms) for the chunks of a row.
void for_chunks(const math::KernelTable& kernels, const LogprobRow& student, const LogprobRow& teacher, float alpha,
                int64_t vocabulary, auto&& visit) {
    constexpr int64_t kChunk = DivergenceTerms::kMost;
    float s[kChunk], t[kChunk];
    DivergenceTerms terms;
    for (int64_t first = 0; first < vocabulary; first += kChunk) {
        const auto count = static_cast<size_t>(std::min(kChunk, vocabulary - first));
        student.read(first, {s, count});
        teacher.read(first, {t, count});
        terms.compute(kernels, {s, count}, {t, count}, alpha);
        visit(first, count, terms);
    }
}

// The gradient to the logits is g - p sum(g), g being the gradient to the log-probabilities.
float row_divergence(const math::KernelTable& kernels, std::span<const float> student, std::span<const float> teacher,
                     float alpha, float weight, float* dstudent) {
    const LogprobRow student_row(kernels, student), teacher_row(kernels, teacher);
    const auto vocabulary = static_cast<int64_t>(student.size());
    LaneSum divergence, gradient;
    for_chunks(kernels, student_row, teacher_row, alpha, vocabulary, [&](int64_t, size_t count, const auto& terms) {
        divergence.add({terms.loss, count});
        gradient.add({terms.g, count});
    });
    if (weight != 0) {
        const auto sum = static_cast<float>(gradient.total());
        for_chunks(kernels, student_row, teacher_row, alpha, vocabulary,
                   [&](int64_t first, size_t count, const auto& terms) {
                       float* out = dstudent + first;
                       for (size_t i = 0; i < count; i++) out[i] += weight * (terms.g[i] - terms.p[i] * sum);
                   });
    }
    return static_cast<float>(divergence.total());
}

// log(1 - sum p) behind the listed log-probabilities, by their sum in double. Says whether the tail is above its bound.
bool append_tail(const math::KernelTable& kernels, std::span<float> listed_and_tail) {
    constexpr float kLeastTail = 1e-7f;
    const std::span<float> listed = listed_and_tail.first(listed_and_tail.size() - 1);
    float p[DivergenceTerms::kMost];
    kernels.rows.exp.run(listed.data(), p, static_cast<int64_t>(listed.size()));
    LaneSum sum;
    sum.add({p, listed.size()});
    const auto tail = static_cast<float>(1 - sum.total());
    listed_and_tail.back() = std::max(tail, kLeastTail);
    kernels.rows.log.run(&listed_and_tail.back(), &listed_and_tail.back(), 1);
    return tail > kLeastTail;
}

// Takes the logarithm of the sum of the probabilities off.
void renormalise(const math::KernelTable& kernels, std::span<float> listed) {
    math::LogSum sum;
    kernels.rows.log_sum_exp.run(listed.data(), 1.0f, &sum, static_cast<int64_t>(listed.size()));
    kernels.rows.logprobs.run(listed.data(), 1.0f, sum, listed.data(), static_cast<int64_t>(listed.size()));
}

double lane_sum(std::span<const float> values) {
    LaneSum sum;
    sum.add(values);
    return sum.total();
}

void check_same_shape(MatrixView<const float> a, MatrixView<const float> b) {
    CHECK(a.rows == b.rows && a.cols == b.cols && a.cols > 0, "[{}, {}] and [{}, {}]", a.rows, a.cols, b.rows, b.cols);
}

}  // namespace

void full_divergence(math::OpContext& context, MatrixView<const float> student, MatrixView<const float> teacher,
                     float alpha, std::span<const float> weights, std::span<float> each, MatrixView<float> dstudent) {
    check_same_shape(student, teacher);
    check_same_shape(student, dstudent);
    CHECK(static_cast<int64_t>(weights.size()) == student.rows && each.size() == weights.size(),
          "{} weights and {} results for {} rows", weights.size(), each.size(), student.rows);
    constexpr int64_t kWork = 24;  // two passes of some four elementary functions a logit
    math::for_row_blocks(context, student.rows, kWork * student.cols, [&](int64_t first, int64_t count, int) {
        for (int64_t i = first; i < first + count; i++) {
            each[static_cast<size_t>(i)] = row_divergence(context.kernels, student.row_span(i), teacher.row_span(i),
                                                          alpha, weights[static_cast<size_t>(i)], dstudent.row(i));
        }
    });
}

TokenLoss topk_divergence(const math::KernelTable& kernels, MatrixView<const float> student,
                          MatrixView<const float> teacher, float alpha, Rest rest) {
    check_same_shape(student, teacher);
    CHECK_LT(student.cols, DivergenceTerms::kMost);
    const auto k = static_cast<size_t>(student.cols), outcomes = rest == Rest::tail ? k + 1 : k;
    TokenLoss loss(static_cast<size_t>(student.rows), k);
    float s[DivergenceTerms::kMost], t[DivergenceTerms::kMost];
    DivergenceTerms terms;
    for (int64_t row = 0; row < student.rows; row++) {
        std::copy_n(student.row(row), k, s);
        std::copy_n(teacher.row(row), k, t);
        float shift = 0;  // of the gradient, as a multiple of p: what moves with the listed probabilities
        if (rest == Rest::tail) {
            append_tail(kernels, {t, outcomes});
            const bool tail_moves = append_tail(kernels, {s, outcomes});
            terms.compute(kernels, {s, outcomes}, {t, outcomes}, alpha);
            if (tail_moves) shift = terms.g[k] / terms.p[k];
        } else {
            renormalise(kernels, {t, outcomes});
            renormalise(kernels, {s, outcomes});
            terms.compute(kernels, {s, outcomes}, {t, outcomes}, alpha);
            shift = static_cast<float>(lane_sum({terms.g, k}));
        }
        const auto i = static_cast<size_t>(row);
        loss.each[i] = static_cast<float>(lane_sum({terms.loss, outcomes}));
        loss.sum += double{loss.each[i]};
        for (size_t j = 0; j < k; j++) loss.dlp[i * k + j] = terms.g[j] - terms.p[j] * shift;
    }
    return loss;
}

TokenLoss topk_cross_entropy(const math::KernelTable& kernels, MatrixView<const float> student,
                             MatrixView<const float> teacher) {
    check_same_shape(student, teacher);
    const auto k = static_cast<size_t>(student.cols);
    TokenLoss loss(static_cast<size_t>(student.rows), k);
    std::vector<float> weights(k), terms(k);
    for (int64_t row = 0; row < student.rows; row++) {
        kernels.rows.softmax.run(teacher.row(row), weights.data(), student.cols);
        for (size_t j = 0; j < k; j++) terms[j] = weights[j] == 0 ? 0.0f : -weights[j] * student.row(row)[j];
        const auto i = static_cast<size_t>(row);
        loss.each[i] = static_cast<float>(lane_sum(terms));
        loss.sum += double{loss.each[i]};
        for (size_t j = 0; j < k; j++) loss.dlp[i * k + j] = -weights[j];
    }
    return loss;
}

std::vector<float> staleness_weights(const math::KernelTable& kernels, std::span<const float> lp,
                                     std::span<const float> q, float is_clip) {
    CHECK_EQ(lp.size(), q.size());
    constexpr float kFarthest = 20;
    std::vector<float> weights(lp.size());
    for (size_t i = 0; i < lp.size(); i++) weights[i] = std::clamp(lp[i] - q[i], -kFarthest, kFarthest);
    kernels.rows.exp.run(weights.data(), weights.data(), static_cast<int64_t>(weights.size()));
    for (float& weight : weights) weight = std::min(weight, is_clip);
    return weights;
}

TokenLoss sdpo(const math::KernelTable& kernels, MatrixView<const float> student, MatrixView<const float> teacher,
               const SdpoTokens& tokens, const SdpoConfig& config) {
    TokenLoss loss = topk_divergence(kernels, student, teacher, config.alpha, Rest::tail);
    multiply(loss, staleness_weights(kernels, tokens.lp, tokens.q, config.is_clip));
    average(loss, MeanOver::tokens, tokens.mask);
    return loss;
}

TokenLoss sdpo_reinforce(const math::KernelTable& kernels, std::span<const float> teacher_lp, const SdpoTokens& tokens,
                         float is_clip) {
    CHECK_EQ(teacher_lp.size(), tokens.lp.size());
    TokenLoss loss(teacher_lp.size());
    for (size_t i = 0; i < teacher_lp.size(); i++) {
        const float difference = tokens.lp[i] - teacher_lp[i];
        loss.set(i, difference * tokens.lp[i], difference);
    }
    multiply(loss, staleness_weights(kernels, tokens.lp, tokens.q, is_clip));
    average(loss, MeanOver::tokens, tokens.mask);
    return loss;
}

}  // namespace hone::train

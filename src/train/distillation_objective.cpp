// Distillation as an objective: the teacher passes the same documents first, and its logits are computed block by block
// beside the student's, so that none are held whole.
#include <algorithm>
#include <numeric>

#include "train/frozen_pass.h"
#include "train/losses/distillation.h"
#include "train/objective.h"

namespace hone::train {
namespace {

using math::MatrixView;
using math::Workspace;

// For passes whose log-probabilities nobody asks for.
PackedBatch without_targets(const Batch& batch) {
    return {batch.tokens, batch.offsets, {nullptr, std::ssize(batch.tokens), 0}};
}

double weighted_sum(std::span<const float> each, std::span<const float> weights) {
    double sum = 0;
    for (size_t i = 0; i < each.size(); i++) sum += weights[i] == 0 ? 0.0 : double{weights[i]} * double{each[i]};
    return sum;
}

class FullDistillation final : public Objective {
  public:
    FullDistillation(PassModel teacher, float alpha) : teacher_(teacher.model, teacher.adapter), alpha_(alpha) {}

    PassLoss run(const Student& student, const Batch& batch, const PassPurpose& purpose) override {
        const auto rows = std::ssize(batch.tokens);
        const int64_t vocabulary = student.model.spec().vocabulary;
        math::OpContext& ops = student.ops;
        std::vector<float> weights(batch.weights), each(weights.size());
        divide(weights, purpose.total);
        TrainingPass& teacher = teacher_.run(ops, without_targets(batch), {nullptr, rows, 0});
        TrainingPass& pass = student.pass;
        pass.forward(without_targets(batch), {nullptr, rows, 0}, purpose.learns);
        student.note_load();
        const auto compare = [&](int64_t first, MatrixView<const float> logits, MatrixView<float> dlogits) {
            const Workspace::Scope scope(ops.workspace);
            const auto of_teacher = ops.workspace.matrix<float>(logits.rows, vocabulary);
            teacher.logits(first, of_teacher);
            const auto at = static_cast<size_t>(first), count = static_cast<size_t>(logits.rows);
            full_divergence(ops, logits, of_teacher, alpha_, std::span(weights).subspan(at, count),
                            std::span(each).subspan(at, count), dlogits);
        };
        if (purpose.learns) {
            pass.backward_from_logits(compare);
        } else {
            for (int64_t first = 0; first < rows; first += pass.logits_rows()) {
                const Workspace::Scope scope(ops.workspace);
                const int64_t count = std::min(pass.logits_rows(), rows - first);
                const auto logits = ops.workspace.matrix<float>(count, vocabulary);
                const auto unused = ops.workspace.matrix<float>(count, vocabulary);
                std::fill_n(unused.data, count * vocabulary, 0.0f);
                pass.logits(first, logits);
                compare(first, logits, unused);
            }
        }
        return {.loss = weighted_sum(each, weights), .aux_loss = pass.aux_loss(), .more = {}};
    }

  private:
    FrozenPass teacher_;
    float alpha_;
};

class TopkDistillation final : public Objective {
  public:
    TopkDistillation(PassModel teacher, float alpha, int64_t k)
        : vocabulary_(teacher.model.spec().vocabulary),
          teacher_(teacher.model, teacher.adapter),
          alpha_(alpha),
          k_(k) {}

    PassLoss run(const Student& student, const Batch& batch, const PassPurpose& purpose) override {
        const auto rows = std::ssize(batch.tokens);
        const int64_t k = std::min<int64_t>(k_, vocabulary_ - 1);
        math::OpContext& ops = student.ops;
        std::vector<int32_t> tokens(static_cast<size_t>(rows * k));
        std::vector<float> teacher(tokens.size()), lp(tokens.size());
        most_likely(ops, batch, {tokens.data(), rows, k}, {teacher.data(), rows, k});
        TrainingPass& pass = student.pass;
        pass.forward({batch.tokens, batch.offsets, {tokens.data(), rows, k}}, {lp.data(), rows, k}, purpose.learns);
        student.note_load();
        TokenLoss loss =
            topk_divergence(ops.kernels, {lp.data(), rows, k}, {teacher.data(), rows, k}, alpha_, Rest::tail);
        std::vector<float> weights(batch.weights);
        divide(weights, purpose.total);
        for (size_t i = 0; i < loss.dlp.size(); i++) {
            const float weight = weights[i / static_cast<size_t>(k)];
            loss.dlp[i] = weight == 0 ? 0.0f : weight * loss.dlp[i];
        }
        if (purpose.learns) pass.backward({loss.dlp.data(), rows, k});
        return {.loss = weighted_sum(loss.each, weights), .aux_loss = pass.aux_loss(), .more = {}};
    }

  private:
    // Of each row the teacher's k likeliest tokens, and what it gives them.
    void most_likely(math::OpContext& ops, const Batch& batch, MatrixView<int32_t> tokens, MatrixView<float> logprobs) {
        TrainingPass& teacher = teacher_.run(ops, without_targets(batch), {nullptr, tokens.rows, 0});
        const int64_t block = teacher.logits_rows();
        for (int64_t first = 0; first < tokens.rows; first += block) {
            const Workspace::Scope scope(ops.workspace);
            const auto logits = ops.workspace.matrix<float>(std::min(block, tokens.rows - first), vocabulary_);
            teacher.logits(first, logits);
            ops.pool.parallel_for(logits.rows, [&](int64_t i, int) {
                choose(ops.kernels, logits.row_span(i), tokens.row_span(first + i), logprobs.row_span(first + i));
            });
        }
    }

    // Descending; of equal logits the lower token comes first.
    static void choose(const math::KernelTable& kernels, std::span<const float> logits, std::span<int32_t> tokens,
                       std::span<float> logprobs) {
        std::vector<int32_t> order(logits.size());
        std::iota(order.begin(), order.end(), 0);
        const auto likelier = [&](int32_t a, int32_t b) {
            const float of_a = logits[static_cast<size_t>(a)], of_b = logits[static_cast<size_t>(b)];
            return of_a > of_b || (of_a == of_b && a < b);
        };
        std::partial_sort(order.begin(), order.begin() + std::ssize(tokens), order.end(), likelier);
        const math::LogNormaliser normaliser = math::log_normaliser(kernels, logits, 1);
        for (size_t i = 0; i < tokens.size(); i++) {
            tokens[i] = order[i];
            logprobs[i] = normaliser.logprob(logits[static_cast<size_t>(order[i])]);
        }
    }

    int64_t vocabulary_;
    FrozenPass teacher_;
    float alpha_;
    int64_t k_;
};

}  // namespace

std::unique_ptr<Objective> distillation_objective(PassModel teacher, float alpha, int64_t top_k) {
    if (top_k == 0) return std::make_unique<FullDistillation>(teacher, alpha);
    return std::make_unique<TopkDistillation>(teacher, alpha, top_k);
}

}  // namespace hone::train

#include "train/objective.h"

#include <algorithm>
#include <numeric>

#include "train/frozen_pass.h"
#include "train/losses/preference.h"
#include "train/losses/tinker.h"

namespace hone::train {
namespace {

// Rows of log-probabilities [T, 1].
math::MatrixView<float> column(std::vector<float>& values) {
    return {values.data(), std::ssize(values), 1};
}

class CrossEntropyObjective final : public Objective {
  public:
    PassLoss run(const Student& student, const Batch& batch, const PassPurpose& purpose) override {
        std::vector<float> lp(batch.tokens.size()), weights(batch.weights);
        divide(weights, purpose.total);
        if (purpose.learns) {
            TokenLoss loss = cross_entropy(lp, weights);  // its gradients do not depend on what the model says
            student.pass.run(batch.packed(), column(lp), column(loss.dlp));
        } else {
            student.pass.forward(batch.packed(), column(lp), false);
        }
        student.note_load();
        return {.loss = cross_entropy(lp, weights).sum, .aux_loss = student.pass.aux_loss(), .more = {}};
    }
};

class PreferenceObjective final : public Objective {
  public:
    PreferenceObjective(PassModel reference, float beta)
        : reference_(reference.model, reference.adapter), beta_(beta) {}

    double weight(const Batch& batch) const override { return static_cast<double>(batch.pairs.size()); }

    PassLoss run(const Student& student, const Batch& batch, const PassPurpose& purpose) override {
        std::vector<float> lp(batch.tokens.size()), reference(batch.tokens.size()), mask(batch.weights);
        for (float& weight : mask) weight = weight != 0 ? 1.0f : 0.0f;
        reference_.run(student.ops, batch.packed(), column(reference));
        student.pass.forward(batch.packed(), column(lp), purpose.learns);
        student.note_load();
        DpoLoss loss = dpo(
            student.ops.kernels,
            {.lp = lp, .reference = reference, .mask = mask, .offsets = batch.offsets, .pairs = batch.pairs}, beta_);
        divide(loss.dlp, purpose.total);
        if (purpose.learns) student.pass.backward(column(loss.dlp));
        const auto won = std::ranges::count_if(loss.margins, [](float margin) { return margin > 0; });
        const double margins = std::accumulate(loss.margins.begin(), loss.margins.end(), 0.0);
        return {.loss = loss.sum / purpose.total,
                .aux_loss = student.pass.aux_loss(),
                .more = {{"accuracy", static_cast<double>(won) / purpose.total}, {"margin", margins / purpose.total}}};
    }

  private:
    FrozenPass reference_;
    float beta_;
};

}  // namespace

void divide(std::span<float> values, double total) {
    for (float& value : values) value = static_cast<float>(double{value} / total);
}

void PassLoss::add(const PassLoss& other) {
    loss += other.loss;
    aux_loss += other.aux_loss;
    if (more.empty()) {
        more = other.more;
        return;
    }
    CHECK_EQ(more.size(), other.more.size());
    for (size_t i = 0; i < more.size(); i++) more[i].second += other.more[i].second;
}

double Objective::weight(const Batch& batch) const {
    return std::accumulate(batch.weights.begin(), batch.weights.end(), 0.0);
}

std::unique_ptr<Objective> cross_entropy_objective() {
    return std::make_unique<CrossEntropyObjective>();
}

std::unique_ptr<Objective> preference_objective(PassModel reference, float beta) {
    return std::make_unique<PreferenceObjective>(reference, beta);
}

}  // namespace hone::train

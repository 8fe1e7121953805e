#include "train/trainer.h"

#include <cmath>

#include "base/turns.h"

namespace hone::train {

Trainer::Trainer(const model::Model& model, TrainedWeights& weights, Objective& objective,
                 const OptimiserOptions& optimiser, float aux_coefficient, math::OpContext& ops)
    : model_(model),
      weights_(weights),
      objective_(objective),
      aux_coefficient_(aux_coefficient),
      ops_(ops),
      optimiser_(weights.parameters(), optimiser) {}

Result<StepReport> Trainer::step(std::span<const Batch> passes, double learning_rate) {
    StepReport report{.loss = {}, .learning_rate = learning_rate};
    for (const Batch& pass : passes) {
        report.weight += objective_.weight(pass);
        report.tokens += std::ssize(pass.tokens);
    }
    const auto count = static_cast<double>(passes.size());
    const Visit visit(ops_.pool);
    weights_.clear_gradients();
    for (const Batch& pass : passes) {
        const PassPurpose purpose{.total = report.weight != 0 ? report.weight : 1,
                                  .aux_coefficient = static_cast<float>(double{aux_coefficient_} / count)};
        report.loss.add(objective_.run(student(), pass, purpose));
    }
    report.loss.aux_loss /= count;
    is_whole_ = false;
    report.gradient_norm = optimiser_.step(ops_, learning_rate);
    report.is_skipped = !std::isfinite(report.gradient_norm);
    const Status published = report.is_skipped ? ok() : weights_.publish(ops_.pool);
    is_whole_ = true;
    if (!published) return published.error();
    return report;
}

PassLoss Trainer::evaluate(const Batch& batch) {
    const Visit visit(ops_.pool);
    return objective_.run(student(), batch, {.learns = false});
}

}  // namespace hone::train
